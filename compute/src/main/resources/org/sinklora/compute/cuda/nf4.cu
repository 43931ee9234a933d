// Matrices in 4-bit NormalFloat (QLoRA, arXiv 2305.14314): 64 neighbours share their largest
// magnitude as scale; two codes a byte, the first in the upper half.
//
// Defines: ELEMENT, the type of the wide matrix; VEC, 8 where it begins at a multiple of 16 bytes,
// 1 otherwise.
//
// History
// 1. Packing: a warp a block of 64, once a weight. Widening: eight numbers a thread, one load of 4
//    bytes and one store of 16; the table in shared memory, as lanes look up different entries.
//
// follows: elements.cuh

#ifndef ELEMENT
#define ELEMENT bf16
#endif
#ifndef VEC
#define VEC 8
#endif

typedef ELEMENT T;

__device__ const float NF4[16] = {
    -1.0f,                 -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
    0.07958029955625534f,  0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f,  0.5626170039176941f,  0.7229568362236023f,  1.0f};

__device__ __forceinline__ unsigned nearest(float x) {
  unsigned best = 0;
  float distance = fabsf(x - NF4[0]);
#pragma unroll
  for (unsigned i = 1; i < 16; i++) {
    float d = fabsf(x - NF4[i]);
    if (d < distance) {
      distance = d;
      best = i;
    }
  }
  return best;
}

// n: number of blocks of 64, a warp each.
extern "C" __global__ void nf4Pack(const T* w, long long n, unsigned char* codes, float* scales) {
  long long block = ((long long)blockIdx.x * blockDim.x + threadIdx.x) >> 5;
  if (block >= n) {
    return;
  }
  int lane = threadIdx.x & 31;
  float first = value(w[block * 64 + 2 * lane]);
  float second = value(w[block * 64 + 2 * lane + 1]);
  float most = fmaxf(fabsf(first), fabsf(second));
  for (int step = 16; step > 0; step >>= 1) {
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step));
  }
  float inverse = most == 0.0f ? 0.0f : 1.0f / most;
  unsigned code = nearest(first * inverse) << 4 | nearest(second * inverse);
  codes[block * 32 + lane] = (unsigned char)code;
  if (lane == 0) {
    scales[block] = most;
  }
}

// n: number of eights, a thread each.
extern "C" __global__ void nf4Widen(
    const unsigned* codes, const float* scales, long long n, T* w) {
  __shared__ float table[16];
  if (threadIdx.x < 16) {
    table[threadIdx.x] = NF4[threadIdx.x];
  }
  __syncthreads();
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) {
    return;
  }
  unsigned four = codes[i];
  float scale = scales[i / 8];
  float v[8];
#pragma unroll
  for (int byte = 0; byte < 4; byte++) {
    v[2 * byte] = table[(four >> (8 * byte + 4)) & 15] * scale;
    v[2 * byte + 1] = table[(four >> (8 * byte)) & 15] * scale;
  }
#pragma unroll
  for (int k = 0; k < 8; k += VEC) {
    store<VEC>(w + 8 * i + k, v + k);
  }
}
