// Rotary position embedding in place: component i of every head together with component i + pairs.
//
// Defines: ELEMENT, the type of the heads; VEC, 8 where all heads begin at multiples of 16 bytes
// and pairs is a multiple of 8, 1 otherwise.
// Launch: one block a token, any number of threads.
//
// History
// 1. All heads of a token by one block; cosines and sines are read once from memory and then from
//    the cache.

#ifndef ELEMENT
#define ELEMENT bf16
#endif
#ifndef VEC
#define VEC 8
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

// cos and sin [positions, pairs]; sign -1 rotates back. Head h of token t begins at
// data + t * tokenStride + h * headStride.
extern "C" __global__ void rope(
    T* data, long long tokenStride, long long headStride, int heads, int pairs, const float* cos,
    const float* sin, const int* positions, float sign) {
  long long token = blockIdx.x;
  long long angles = (long long)positions[token] * pairs;
  int packs = pairs / VEC;
  for (int i = threadIdx.x; i < heads * packs; i += blockDim.x) {
    int first = i % packs * VEC;
    T* head = data + token * tokenStride + i / packs * headStride;
    float a[VEC], b[VEC], c[VEC], s[VEC];
    load<VEC>(head + first, a);
    load<VEC>(head + pairs + first, b);
    load<VEC>(cos + angles + first, c);
    load<VEC>(sin + angles + first, s);
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      float x = a[j], y = b[j];
      a[j] = x * c[j] - y * sign * s[j];
      b[j] = y * c[j] + x * sign * s[j];
    }
    store<VEC>(head + first, a);
    store<VEC>(head + pairs + first, b);
  }
}
