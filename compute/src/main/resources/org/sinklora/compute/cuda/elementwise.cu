// Element by element over operands of any two of the types float and bf16: conversion, scaling,
// addition of a multiple. The arithmetic is float32.
//
// Defines: SOURCE and TARGET, the types of the operands x and y.
// Launch: any number of blocks of any number of threads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop over at most 16 blocks of 256 threads a
//    multiprocessor; a tail or an operand that is not aligned goes one element at a time.

#ifndef SOURCE
#define SOURCE bf16
#endif
#ifndef TARGET
#define TARGET float
#endif

typedef unsigned short bf16;
typedef SOURCE X;
typedef TARGET Y;

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

// y = x
extern "C" __global__ void convert(const X* x, Y* y, long long n) {
  forEach(n, aligned(x, y), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float v[N];
    load<N>(x + i, v);
    store<N>(y + i, v);
  });
}

// y += alpha x
extern "C" __global__ void axpy(float alpha, const X* x, Y* y, long long n) {
  forEach(n, aligned(x, y), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float a[N], b[N];
    load<N>(x + i, a);
    load<N>(y + i, b);
#pragma unroll
    for (int j = 0; j < N; j++) {
      b[j] += alpha * a[j];
    }
    store<N>(y + i, b);
  });
}

// y *= alpha
extern "C" __global__ void scale(Y* y, float alpha, long long n) {
  forEach(n, aligned(y), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float v[N];
    load<N>(y + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
      v[j] *= alpha;
    }
    store<N>(y + i, v);
  });
}
