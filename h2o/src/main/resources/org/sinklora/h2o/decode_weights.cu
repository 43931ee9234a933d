// Weights as decoding stores them: quantising, merging an adapter, and widening a stored
// weight for the products of a prompt. Each runs once a weight, or once a layer of a prompt.
//
// History
// 1. One thread an element, one block a row where a row has a scale.

typedef unsigned short bf16;

__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }

__device__ __forceinline__ void put(float* y, long long at, float value) { y[at] = value; }
__device__ __forceinline__ void put(bf16* y, long long at, float value) {
  bf16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  y[at] = bits;
}

__device__ __forceinline__ long long element() {
  return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

#define TYPES(CALL)          \
  CALL(float, float32)       \
  CALL(bf16, bfloat16)

// y[r, c] = w[r, c] + scale * sum over k of b[r, k] * a[k, c]. y may be w. Grid: (out, in / 256).
#define MERGE(T, NAME)                                                                             \
  extern "C" __global__ void merge_##NAME(                                                        \
      const T* w, const float* a, const float* b, float scale, int rank, int in, T* y) {          \
    int c = blockIdx.y * blockDim.x + threadIdx.x;                                                \
    if (c < in) {                                                                                 \
      float sum = 0.0f;                                                                           \
      for (int k = 0; k < rank; k++) {                                                            \
        sum += b[(long long)blockIdx.x * rank + k] * a[(long long)k * in + c];                    \
      }                                                                                           \
      long long at = (long long)blockIdx.x * in + c;                                              \
      put(y, at, to_float(w[at]) + scale * sum);                                                  \
    }                                                                                             \
  }

TYPES(MERGE)

// The largest magnitude among a block's values, in all its threads.
__device__ __forceinline__ float block_most(float x, float* room) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
  }
  __syncthreads();
  if ((threadIdx.x & 31) == 0) {
    room[threadIdx.x >> 5] = x;
  }
  __syncthreads();
  float most = 0.0f;
  for (int w = 0; w < blockDim.x / 32; w++) {
    most = fmaxf(most, room[w]);
  }
  return most;
}

// int8 with a scale a row: the largest magnitude becomes 127. Grid: out.
#define QUANTISE(T, NAME)                                                                          \
  extern "C" __global__ void int8_of_##NAME(const T* w, int in, signed char* y, float* scales) {  \
    __shared__ float room[32];                                                                    \
    long long from = (long long)blockIdx.x * in;                                                  \
    float most = 0.0f;                                                                            \
    for (int c = threadIdx.x; c < in; c += blockDim.x) {                                          \
      most = fmaxf(most, fabsf(to_float(w[from + c])));                                           \
    }                                                                                             \
    most = block_most(most, room);                                                                \
    float inverse = most == 0.0f ? 0.0f : 127.0f / most;                                          \
    for (int c = threadIdx.x; c < in; c += blockDim.x) {                                          \
      y[from + c] = (signed char)__float2int_rn(to_float(w[from + c]) * inverse);                 \
    }                                                                                             \
    if (threadIdx.x == 0) {                                                                       \
      scales[blockIdx.x] = most / 127.0f;                                                         \
    }                                                                                             \
  }

TYPES(QUANTISE)

// Grid: (out, in / 256).
extern "C" __global__ void bfloat16_of_int8(
    const signed char* w, const float* scales, int in, bf16* y) {
  int c = blockIdx.y * blockDim.x + threadIdx.x;
  if (c < in) {
    long long at = (long long)blockIdx.x * in + c;
    put(y, at, (float)w[at] * scales[blockIdx.x]);
  }
}
