// Activations of the feed-forward layers and their gradients, in place where the caller likes:
// every element is read before it is written, by the same thread.
//
// Defines: ELEMENT, the type of all operands. The arithmetic is float32.
// Launch: any number of blocks of any number of threads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop. Exact division and expf: some 30
//    instructions an element, where reading and writing it leaves time for 50.

#ifndef ELEMENT
#define ELEMENT bf16
#endif

typedef unsigned short bf16;
typedef ELEMENT T;

__device__ inline float value(float x) { return x; }
__device__ inline float value(bf16 x) { return __uint_as_float((unsigned)x << 16); }
__device__ inline void put(float* p, float x) { *p = x; }
__device__ inline void put(bf16* p, float x) {
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(*p) : "f"(x));
}
__device__ inline unsigned two(float low, float high) {
  unsigned both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}

// N = 1: any element. N = 8: eight neighbours, the first at a multiple of 16 bytes.
template <int N> __device__ inline void load(const float* p, float* v) {
  if constexpr (N == 8) {
    float4 a = ((const float4*)p)[0], b = ((const float4*)p)[1];
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
  } else {
    v[0] = *p;
  }
}
template <int N> __device__ inline void load(const bf16* p, float* v) {
  if constexpr (N == 8) {
    uint4 a = *(const uint4*)p;
    unsigned w[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      v[2 * i] = __uint_as_float(w[i] << 16);
      v[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
    }
  } else {
    v[0] = value(*p);
  }
}
template <int N> __device__ inline void store(float* p, const float* v) {
  if constexpr (N == 8) {
    ((float4*)p)[0] = make_float4(v[0], v[1], v[2], v[3]);
    ((float4*)p)[1] = make_float4(v[4], v[5], v[6], v[7]);
  } else {
    *p = v[0];
  }
}
template <int N> __device__ inline void store(bf16* p, const float* v) {
  if constexpr (N == 8) {
    *(uint4*)p = make_uint4(two(v[0], v[1]), two(v[2], v[3]), two(v[4], v[5]), two(v[6], v[7]));
  } else {
    put(p, v[0]);
  }
}

template <int N> struct Count {
  static constexpr int n = N;
};

template <class... P> __device__ inline bool aligned(P... p) {
  return ((... | (unsigned long long)p) & 15) == 0;
}

// body(Count<8>, first element) over whole eights where all pointers allow it, body(Count<1>,
// element) over the rest; any grid covers any n.
template <class Body> __device__ inline void forEach(long long n, bool eights, Body body) {
  long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  long long threads = (long long)gridDim.x * blockDim.x;
  long long packs = eights ? n / 8 : 0;
  for (long long i = thread; i < packs; i += threads) {
    body(Count<8>{}, i * 8);
  }
  for (long long i = packs * 8 + thread; i < n; i += threads) {
    body(Count<1>{}, i);
  }
}

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
