// Numbers that look random and depend on a key and an element's number alone, by the finalizer of
// SplitMix64: dropout, whose mask is the CPU's bit by bit, and normally distributed numbers.
//
// Defines: ELEMENT, the type of the operands.
// Launch: any number of blocks of any number of threads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop.

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

__device__ inline unsigned long long mixed(unsigned long long key, unsigned long long index) {
  unsigned long long z = key + (index + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// y = x / (1 - rate), or 0 with probability rate; keep = 1 / (1 - rate)
extern "C" __global__ void dropout(
    const T* x, T* y, float rate, float keep, long long key, long long firstElement, long long n) {
  forEach(n, aligned(x, y), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float v[N];
    load<N>(x + i, v);
#pragma unroll
    for (int j = 0; j < N; j++) {
      unsigned long long bits = mixed(key, firstElement + i + j);
      // 24 bits: exact in a float, in [0, 1).
      float uniform = (float)(unsigned)(bits >> 40) * 0x1p-24f;
      v[j] = uniform < rate ? 0.0f : v[j] * keep;
    }
    store<N>(y + i, v);
  });
}

// Elements 2 pair and 2 pair + 1, by Box and Muller.
__device__ inline float2 normalPair(long long key, long long pair) {
  unsigned long long bits = mixed(key, pair);
  // In (0, 1]: its logarithm is finite.
  float first = ((float)(unsigned)(bits >> 32) + 1.0f) * 0x1p-32f;
  float second = (float)(unsigned)bits * 0x1p-32f;
  float radius = sqrtf(-2.0f * logf(first));
  float sine, cosine;
  sincospif(2.0f * second, &sine, &cosine);
  return make_float2(radius * cosine, radius * sine);
}

extern "C" __global__ void fillNormal(T* y, float deviation, long long key, long long n) {
  forEach(n, aligned(y), [&](auto count, long long i) {
    constexpr int N = decltype(count)::n;
    float v[N];
    if constexpr (N == 8) {
#pragma unroll
      for (int j = 0; j < N; j += 2) {
        float2 pair = normalPair(key, (i + j) / 2);
        v[j] = deviation * pair.x;
        v[j + 1] = deviation * pair.y;
      }
    } else {
      float2 pair = normalPair(key, i / 2);
      v[0] = deviation * (i % 2 == 0 ? pair.x : pair.y);
    }
    store<N>(y + i, v);
  });
}
