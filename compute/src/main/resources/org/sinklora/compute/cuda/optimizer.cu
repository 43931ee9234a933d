// The optimiser: AdamW in float32, and the sum of squares that gradient clipping needs.
//
// Defines: ELEMENT, the type of what sumOfSquares reads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop. The sum of squares in double: products
//    of floats are exact in it; every thread has fixed elements, threads and blocks are added up in
//    a fixed order.
//
// follows: elements.cuh
// follows: each.cuh

#ifndef ELEMENT
#define ELEMENT float
#endif

typedef ELEMENT T;

// decay = 1 - learning rate * weight decay; rate = learning rate / correction of the first moment;
// root = square root of the correction of the second. Any grid.
extern "C" __global__ void adamW(
    float* parameter, const float* gradient, float* first, float* second, float gradientScale,
    float decay, float rate, float root, float beta1, float rest1, float beta2, float rest2,
    float epsilon, long long n) {
  bool eights = aligned(parameter, gradient) && aligned(first, second);
  forEach(n, eights, [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float p[N], g[N], m[N], v[N];
    load<N>(parameter + i, p);
    load<N>(gradient + i, g);
    load<N>(first + i, m);
    load<N>(second + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
      float d = g[j] * gradientScale;
      m[j] = beta1 * m[j] + rest1 * d;
      v[j] = beta2 * v[j] + rest2 * d * d;
      float deviation = sqrtf(v[j]) / root + epsilon;
      p[j] = decay * p[j] - rate * m[j] / deviation;
    }
    store<N>(parameter + i, p);
    store<N>(first + i, m);
    store<N>(second + i, v);
  });
}

// Sum over the block, in thread 0; a block has a multiple of 32 threads.
__device__ inline double blockSum(double x) {
  __shared__ double warps[32];
  for (int lane = 16; lane > 0; lane /= 2) {
    x += __shfl_xor_sync(0xffffffffu, x, lane);
  }
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = x;
  }
  __syncthreads();
  double sum = 0;
  if (threadIdx.x == 0) {
    for (int i = 0; i < (int)blockDim.x / 32; i++) {
      sum += warps[i];
    }
  }
  return sum;
}

// partial[block] = sum of the squares of the block's elements. Any grid; blocks of 32 k threads.
extern "C" __global__ void sumOfSquares(const T* x, double* partial, long long n) {
  double sum = 0;
  forEach(n, aligned(x), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float v[N];
    load<N>(x + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
      sum += (double)v[j] * v[j];
    }
  });
  sum = blockSum(sum);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
  }
}

// *total = sum of all parts. One block of 32 k threads.
extern "C" __global__ void addParts(const double* partial, double* total, int parts) {
  double sum = 0;
  for (int i = threadIdx.x; i < parts; i += blockDim.x) {
    sum += partial[i];
  }
  sum = blockSum(sum);
  if (threadIdx.x == 0) {
    *total = sum;
  }
}
