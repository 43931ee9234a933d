// Elements of float32 and bfloat16 memory, one by one or eight at a time; the arithmetic between is
// float32. Put in front of the sources that name it.

typedef unsigned short bf16;

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
