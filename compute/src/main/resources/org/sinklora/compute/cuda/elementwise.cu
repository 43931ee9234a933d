// Element by element over operands of any two of the types float and bf16: conversion, scaling,
// addition of a multiple. The arithmetic is float32.
//
// Defines: SOURCE and TARGET, the types of the operands x and y.
// Launch: any number of blocks of any number of threads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop over at most 16 blocks of 256 threads a
//    multiprocessor; a tail or an operand that is not aligned goes one element at a time.
//
// follows: elements.cuh
// follows: each.cuh

#ifndef SOURCE
#define SOURCE bf16
#endif
#ifndef TARGET
#define TARGET float
#endif

typedef SOURCE X;
typedef TARGET Y;

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
