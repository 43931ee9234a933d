// Numbers that look random and depend on a key and an element's number alone, by the finalizer of
// SplitMix64: dropout, whose mask is the CPU's bit by bit, and normally distributed numbers.
//
// Defines: ELEMENT, the type of the operands.
// Launch: any number of blocks of any number of threads.
//
// History
// 1. Sixteen bytes a thread and operand, grid-stride loop.
//
// follows: elements.cuh
// follows: each.cuh

#ifndef ELEMENT
#define ELEMENT bf16
#endif

typedef ELEMENT T;

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
