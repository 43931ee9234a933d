// Rows gathered from a table, and their gradients added back to it.
//
// Defines: ELEMENT, the type of the activations; WEIGHT, of the table; VEC, 8 where all rows begin
// at multiples of 16 bytes and have a multiple of 8 elements, 1 otherwise.
//
// History
// 1. Forward: a block a token. Backward: the host sorts the tokens by id; a block goes through all
//    tokens of an id in their order, so that no two blocks write the same row and the order of the
//    additions is fixed. Four rows are on their way at a time: a frequent id takes as long as the
//    latency of its rows.

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

// y[token, :] = table[ids[token], :]. One block a token, any number of threads.
extern "C" __global__ void embedding(const W* table, const int* ids, T* y, int c) {
  const W* from = table + (long long)ids[blockIdx.x] * c;
  T* to = y + (long long)blockIdx.x * c;
  for (int at = threadIdx.x * VEC; at < c; at += blockDim.x * VEC) {
    float v[VEC];
    load<VEC>(from + at, v);
    store<VEC>(to + at, v);
  }
}

// dTable[rows[u], :] += sum of dY[order[i], :] over i in [starts[u], starts[u + 1]).
// Grid: x the different ids u, y covers c / VEC threads.
extern "C" __global__ void embeddingBackward(
    const T* dY, const int* order, const int* starts, const int* rows, float* dTable, int c) {
  int at = (blockIdx.y * blockDim.x + threadIdx.x) * VEC;
  if (at >= c) {
    return;
  }
  int end = starts[blockIdx.x + 1];
  float* target = dTable + (long long)rows[blockIdx.x] * c + at;
  float sum[VEC];
  load<VEC>(target, sum);
  int i = starts[blockIdx.x];
  for (; i + 4 <= end; i += 4) {
    float v[4][VEC];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      load<VEC>(dY + (long long)order[i + k] * c + at, v[k]);
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        sum[j] += v[k][j];
      }
    }
  }
  for (; i < end; i++) {
    float v[VEC];
    load<VEC>(dY + (long long)order[i] * c + at, v);
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      sum[j] += v[j];
    }
  }
  store<VEC>(target, sum);
}
