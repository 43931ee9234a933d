// Rotary position embedding in place: component i of every head together with component i + pairs.
//
// Defines: ELEMENT, the type of the heads; VEC, 8 where all heads begin at multiples of 16 bytes
// and pairs is a multiple of 8, 1 otherwise.
// Launch: one block a token, any number of threads.
//
// History
// 1. All heads of a token by one block; cosines and sines are read once from memory and then from
//    the cache.
//
// follows: elements.cuh

#ifndef ELEMENT
#define ELEMENT bf16
#endif
#ifndef VEC
#define VEC 8
#endif

typedef ELEMENT T;

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
