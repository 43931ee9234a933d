// Activations of the feed-forward layers and their gradients, in place where the caller likes:
// every element is read before it is written, by the same thread.
//
// Defines: ELEMENT, the type of all operands. The arithmetic is float32.
// Launch: any number of blocks of any number of threads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop. Exact division and expf: some 30
//    instructions an element, where reading and writing it leaves time for 50.
//
// follows: elements.cuh
// follows: each.cuh

#ifndef ELEMENT
#define ELEMENT bf16
#endif

typedef ELEMENT T;

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// y = silu(gate) up
extern "C" __global__ void swiGlu(const T* gate, const T* up, T* y, long long n) {
  forEach(n, aligned(gate, up, y), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float g[N], u[N];
    load<N>(gate + i, g);
    load<N>(up + i, u);
#pragma unroll
    for (int j = 0; j < N; j++) {
      g[j] = g[j] * sigmoid(g[j]) * u[j];
    }
    store<N>(y + i, g);
  });
}

extern "C" __global__ void swiGluBackward(
    const T* dY, const T* gate, const T* up, T* dGate, T* dUp, long long n) {
  forEach(n, aligned(dY, gate, up) && aligned(dGate, dUp), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float d[N], g[N], u[N];
    load<N>(dY + i, d);
    load<N>(gate + i, g);
    load<N>(up + i, u);
#pragma unroll
    for (int j = 0; j < N; j++) {
      float x = g[j];
      float s = sigmoid(x);
      g[j] = d[j] * u[j] * s * (1.0f + x * (1.0f - s));
      u[j] = d[j] * x * s;
    }
    store<N>(dGate + i, g);
    store<N>(dUp + i, u);
  });
}

// What x is multiplied by: the normal distribution function, or its tanh approximation.
template <bool ERF> __device__ inline float gate(float x) {
  if constexpr (ERF) {
    return 0.5f * (1.0f + erff(x * 0.70710678f));
  } else {
    return sigmoid(1.5957691216057308f * (x + 0.044715f * x * x * x));
  }
}

template <bool ERF> __device__ inline float slope(float x) {
  if constexpr (ERF) {
    return 0.3989422804014327f * expf(-0.5f * x * x);
  } else {
    float p = gate<false>(x);
    return 1.5957691216057308f * p * (1.0f - p) * (1.0f + 0.134145f * x * x);
  }
}

template <bool ERF> __device__ inline void forward(const T* x, T* y, long long n) {
  forEach(n, aligned(x, y), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float v[N];
    load<N>(x + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
      v[j] *= gate<ERF>(v[j]);
    }
    store<N>(y + i, v);
  });
}

template <bool ERF> __device__ inline void backward(const T* dY, const T* x, T* dX, long long n) {
  forEach(n, aligned(dY, x, dX), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float d[N], v[N];
    load<N>(dY + i, d);
    load<N>(x + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
      d[j] *= gate<ERF>(v[j]) + v[j] * slope<ERF>(v[j]);
    }
    store<N>(dX + i, d);
  });
}

extern "C" __global__ void geluErf(const T* x, T* y, long long n) { forward<true>(x, y, n); }

extern "C" __global__ void geluTanh(const T* x, T* y, long long n) { forward<false>(x, y, n); }

extern "C" __global__ void geluErfBackward(const T* dY, const T* x, T* dX, long long n) {
  backward<true>(dY, x, dX, n);
}

extern "C" __global__ void geluTanhBackward(const T* dY, const T* x, T* dX, long long n) {
  backward<false>(dY, x, dX, n);
}
