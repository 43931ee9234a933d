// The optimiser: AdamW in float32, and the sum of squares that gradient clipping needs.
//
// Defines: ELEMENT, the type of what sumOfSquares reads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop. The sum of squares in double: products
//    of floats are exact in it; every thread has fixed elements, threads and blocks are added up in
//    a fixed order.

#ifndef ELEMENT
#define ELEMENT float
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
