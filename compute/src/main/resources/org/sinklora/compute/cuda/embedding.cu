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
//
// follows: elements.cuh

#ifndef ELEMENT
#define ELEMENT bf16
#endif
#ifndef WEIGHT
#define WEIGHT float
#endif
#ifndef VEC
#define VEC 8
#endif

typedef ELEMENT T;
typedef WEIGHT W;

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
