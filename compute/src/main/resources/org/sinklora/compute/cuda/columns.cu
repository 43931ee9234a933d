// Operations along the columns of a matrix [rows, c]: a bias on every row, and column sums in two
// steps of fixed order.
//
// Defines: ELEMENT, the type of the matrix; WEIGHT, of the bias; VEC, 8 where all rows begin at
// multiples of 16 bytes and have a multiple of 8 elements, 1 otherwise.
//
// History
// 1. addBias: VEC elements a thread, the bias stays in registers over the rows. Column sums: a
//    thread a column and share of the rows, then 16 threads a column over the shares.

#ifndef ELEMENT
#define ELEMENT bf16
#endif
#ifndef WEIGHT
#define WEIGHT float
#endif
#ifndef VEC
#define VEC 8
#endif

typedef unsigned short bf16;
typedef ELEMENT T;
typedef WEIGHT W;

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

// x[row, :] += bias. Grid: x covers c / VEC threads, y shares out the rows.
extern "C" __global__ void addBias(T* x, const W* bias, long long rows, int c) {
  int at = (blockIdx.x * blockDim.x + threadIdx.x) * VEC;
  if (at >= c) {
    return;
  }
  float b[VEC];
  load<VEC>(bias + at, b);
  for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
    float v[VEC];
    load<VEC>(x + row * c + at, v);
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      v[j] += b[j];
    }
    store<VEC>(x + row * c + at, v);
  }
}

// partial[share, column] = sum of x[row, column] over rows share, share + shares, …
// Grid: x covers c threads, y the shares.
extern "C" __global__ void columnSums(const T* x, float* partial, long long rows, int c) {
  int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= c) {
    return;
  }
  float sum = 0.0f;
#pragma unroll 4
  for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
    sum += value(x[row * c + at]);
  }
  partial[(long long)blockIdx.y * c + at] = sum;
}

// target[column] += sum over all parts of partial[part * stride + column].
// Blocks of 512 threads: 32 columns, 16 threads each.
extern "C" __global__ void __launch_bounds__(512) addColumns(
    const float* partial, long long stride, int parts, float* target, int c) {
  __shared__ float sums[16][33];
  int lane = threadIdx.x % 32;
  int share = threadIdx.x / 32;
  int at = blockIdx.x * 32 + lane;
  float sum = 0.0f;
  if (at < c) {
#pragma unroll 8
    for (int part = share; part < parts; part += 16) {
      sum += partial[part * stride + at];
    }
  }
  sums[share][lane] = sum;
  __syncthreads();
  if (share == 0 && at < c) {
    for (int i = 1; i < 16; i++) {
      sum += sums[i][lane];
    }
    target[at] += sum;
  }
}
