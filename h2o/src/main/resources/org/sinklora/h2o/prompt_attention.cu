// Causal attention of a chunk of a prompt over all of it so far, and the sums over the queries that
// H2O and SnapKV score positions by. No matrix of the prompt's length squared exists: the sums make the
// probabilities again, tile by tile, from the saved log-sum-exp.
//
//   prompt_angles  cosines and sines of all positions
//   prompt_take    rotates queries and keys of a chunk, and puts keys and values where all see them
//   prompt_attend  online softmax, a block a tile of queries of a head
//   prompt_scores  column sums, a block a tile of keys of a kv head; chunk after chunk adds to them
//   prompt_store   what the policy keeps of a layer, into the cache
//
// Keys and values of the layer are [kv head, tokens, DIM]. Scores are in base 2. Sums have a fixed order.
//
// History
// 1. float32 arithmetic on tiles of 32 by 32 in shared memory.

#ifndef DIM
#define DIM 128
#endif
#ifndef SHARING
#define SHARING 1
#endif

typedef unsigned short bf16;

#define THREADS 256
#define TILE 32
#define ROW (DIM + 4)  // rows in shared memory: four banks on from row to row
#define LOG2_E 1.4426950408889634f

__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }

__device__ __forceinline__ void put(float* y, long long at, float value) { y[at] = value; }
__device__ __forceinline__ void put(bf16* y, long long at, float value) {
  bf16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  y[at] = bits;
}

__device__ __forceinline__ float minus_infinity() { return __int_as_float(0xff800000); }

// cosines, sines: [count, pairs].
extern "C" __global__ void prompt_angles(
    const float* frequencies, float scaling, int pairs, int count, float* cosines, float* sines) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < (long long)count * pairs) {
    float angle = (float)(int)(i / pairs) * frequencies[i % pairs];
    cosines[i] = cosf(angle) * scaling;
    sines[i] = sinf(angle) * scaling;
  }
}

template <typename T>
__device__ __forceinline__ float turned(
    const T* head, int c, int pairs, const float* cosine, const float* sine) {
  float x = to_float(head[c]);
  if (c < pairs) {
    return x * cosine[c] - to_float(head[c + pairs]) * sine[c];
  }
  if (c < 2 * pairs) {
    return x * cosine[c - pairs] + to_float(head[c - pairs]) * sine[c - pairs];
  }
  return x;
}

// Grid: tokens of the chunk. q, k, v: heads headStride apart, tokens qRow or kvRow apart.
// queries: [count, heads, DIM]; keys, values, unturned: [kv heads, tokens, DIM]; unturned may be null.
template <typename T>
__device__ __forceinline__ void take(
    const T* q,
    const T* k,
    const T* v,
    int qRow,
    int kvRow,
    int headStride,
    int kvHeads,
    int first,
    int tokens,
    int pairs,
    const float* cosines,
    const float* sines,
    T* queries,
    T* keys,
    T* values,
    T* unturned) {
  int position = first + blockIdx.x;
  const float* cosine = cosines + (long long)position * pairs;
  const float* sine = sines + (long long)position * pairs;
  int heads = kvHeads * SHARING;
  for (int i = threadIdx.x; i < heads * DIM; i += blockDim.x) {
    const T* head = q + (long long)blockIdx.x * qRow + (long long)(i / DIM) * headStride;
    put(
        queries,
        (long long)blockIdx.x * heads * DIM + i,
        turned(head, i % DIM, pairs, cosine, sine));
  }
  for (int i = threadIdx.x; i < kvHeads * DIM; i += blockDim.x) {
    long long from = (long long)blockIdx.x * kvRow + (long long)(i / DIM) * headStride;
    long long to = ((long long)(i / DIM) * tokens + position) * DIM + i % DIM;
    put(keys, to, turned(k + from, i % DIM, pairs, cosine, sine));
    values[to] = v[from + i % DIM];
    if (unturned != nullptr) {
      unturned[to] = k[from + i % DIM];
    }
  }
}

// A tile of rows of DIM, times `factor`, into shared memory; rows from `end` on become 0.
template <typename T>
__device__ __forceinline__ void load(
    const T* from, long long rowStride, int first, int end, float factor, float* tile) {
  for (int i = threadIdx.x; i < TILE * DIM; i += THREADS) {
    int row = i / DIM;
    int c = i % DIM;
    bool there = first + row < end;
    tile[row * ROW + c] = there ? factor * to_float(from[(first + row) * rowStride + c]) : 0.0f;
  }
}

// The four scores of a thread: queries 2 * (t / 16) and the next, keys t % 16 and 16 on.
__device__ __forceinline__ void products(const float* q, const float* k, float (&s)[2][2]) {
  const float* q0 = q + 2 * (threadIdx.x >> 4) * ROW;
  const float* k0 = k + (threadIdx.x & 15) * ROW;
  s[0][0] = s[0][1] = s[1][0] = s[1][1] = 0.0f;
#pragma unroll 4
  for (int c = 0; c < DIM; c += 4) {
    float4 a0 = *reinterpret_cast<const float4*>(q0 + c);
    float4 a1 = *reinterpret_cast<const float4*>(q0 + ROW + c);
    float4 b0 = *reinterpret_cast<const float4*>(k0 + c);
    float4 b1 = *reinterpret_cast<const float4*>(k0 + 16 * ROW + c);
    s[0][0] += a0.x * b0.x + a0.y * b0.y + a0.z * b0.z + a0.w * b0.w;
    s[0][1] += a0.x * b1.x + a0.y * b1.y + a0.z * b1.z + a0.w * b1.w;
    s[1][0] += a1.x * b0.x + a1.y * b0.y + a1.z * b0.z + a1.w * b0.w;
    s[1][1] += a1.x * b1.x + a1.y * b1.y + a1.z * b1.z + a1.w * b1.w;
  }
}

// Grid: (tiles of queries, heads). Dynamic shared memory: 2 * TILE * ROW floats.
// attended: [count, heads * DIM]; logSumExp: [heads, count].
template <typename T>
__device__ __forceinline__ void prompt_attend(
    const T* queries,
    const T* keys,
    const T* values,
    int first,
    int count,
    int tokens,
    T* attended,
    float* logSumExp) {
  extern __shared__ __align__(16) float shared[];
  __shared__ float weights[TILE][TILE + 1];
  float* q = shared;
  float* kv = shared + TILE * ROW;
  int head = blockIdx.y;
  int heads = gridDim.y;
  long long before = (long long)(head / SHARING) * tokens * DIM;
  int firstQuery = blockIdx.x * TILE;
  load(
      queries + (long long)head * DIM,
      (long long)heads * DIM,
      firstQuery,
      count,
      LOG2_E * rsqrtf((float)DIM),
      q);

  int row = threadIdx.x >> 3;  // of the softmax and of the values
  int column = (threadIdx.x & 7) * 4;
  float most = minus_infinity();
  float sum = 0.0f;
  float4 out[(DIM + 31) / 32];
#pragma unroll
  for (int i = 0; i < (DIM + 31) / 32; i++) {
    out[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  }
  int end = first + min(count, firstQuery + TILE);
  for (int base = 0; base < end; base += TILE) {
    __syncthreads();
    load(keys + before, DIM, base, end, 1.0f, kv);
    __syncthreads();
    float s[2][2];
    products(q, kv, s);
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
      for (int j = 0; j < 2; j++) {
        int query = 2 * (threadIdx.x >> 4) + i;
        int key = (threadIdx.x & 15) + 16 * j;
        bool seen = base + key <= first + firstQuery + query;
        weights[query][key] = seen ? s[i][j] : minus_infinity();
      }
    }
    __syncthreads();
    load(values + before, DIM, base, end, 1.0f, kv);
    // Eight threads a row, all in one warp.
    float before8 = most;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      most = fmaxf(most, weights[row][(threadIdx.x & 7) + 8 * j]);
    }
#pragma unroll
    for (int step = 4; step > 0; step >>= 1) {
      most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step));
    }
    float factor = exp2f(before8 - most);
    float added = 0.0f;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      float p = exp2f(weights[row][(threadIdx.x & 7) + 8 * j] - most);
      weights[row][(threadIdx.x & 7) + 8 * j] = p;
      added += p;
    }
#pragma unroll
    for (int step = 4; step > 0; step >>= 1) {
      added += __shfl_xor_sync(0xffffffffu, added, step);
    }
    sum = sum * factor + added;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < (DIM + 31) / 32; i++) {
      int c = column + 32 * i;
      if (DIM % 32 == 0 || c < DIM) {
        float4 all = out[i];
        all.x *= factor;
        all.y *= factor;
        all.z *= factor;
        all.w *= factor;
#pragma unroll 8
        for (int k = 0; k < TILE; k++) {
          float p = weights[row][k];
          float4 v = *reinterpret_cast<const float4*>(kv + k * ROW + c);
          all.x += p * v.x;
          all.y += p * v.y;
          all.z += p * v.z;
          all.w += p * v.w;
        }
        out[i] = all;
      }
    }
  }
  int query = firstQuery + row;
  if (query < count) {
    float inverse = 1.0f / sum;
#pragma unroll
    for (int i = 0; i < (DIM + 31) / 32; i++) {
      int c = column + 32 * i;
      if (DIM % 32 == 0 || c < DIM) {
        long long at = ((long long)query * heads + head) * DIM + c;
        put(attended, at, out[i].x * inverse);
        put(attended, at + 1, out[i].y * inverse);
        put(attended, at + 2, out[i].z * inverse);
        put(attended, at + 3, out[i].w * inverse);
      }
    }
    if ((threadIdx.x & 7) == 0) {
      logSumExp[(long long)head * count + query] = most + log2f(sum);
    }
  }
}

// Grid: (tiles of keys below first + count, kv heads). Dynamic shared memory: 2 * TILE * ROW floats.
// Queries at positions before firstScoring do not count. scores: [kv heads, tokens], added to.
template <typename T>
__device__ __forceinline__ void prompt_scores(
    const T* queries,
    const T* keys,
    int first,
    int count,
    int tokens,
    int firstScoring,
    const float* logSumExp,
    float* scores) {
  extern __shared__ __align__(16) float shared[];
  __shared__ float sums[THREADS / 16][TILE];
  float* q = shared;
  float* k = shared + TILE * ROW;
  int kvHead = blockIdx.y;
  int heads = gridDim.y * SHARING;
  int base = blockIdx.x * TILE;
  load(keys + (long long)kvHead * tokens * DIM, DIM, base, first + count, 1.0f, k);
  float sum[2] = {0.0f, 0.0f};
  // The first tile of queries that sees a key of this one and counts.
  int from = max(0, max(base, firstScoring) - first) / TILE * TILE;
  for (int g = 0; g < SHARING; g++) {
    int head = kvHead * SHARING + g;
    for (int firstQuery = from; firstQuery < count; firstQuery += TILE) {
      __syncthreads();
      load(
          queries + (long long)head * DIM,
          (long long)heads * DIM,
          firstQuery,
          count,
          LOG2_E * rsqrtf((float)DIM),
          q);
      __syncthreads();
      float s[2][2];
      products(q, k, s);
#pragma unroll
      for (int i = 0; i < 2; i++) {
        int query = firstQuery + 2 * (threadIdx.x >> 4) + i;
        bool counts = query < count && first + query >= firstScoring;
        float total = counts ? logSumExp[(long long)head * count + query] : 0.0f;
#pragma unroll
        for (int j = 0; j < 2; j++) {
          int key = base + (threadIdx.x & 15) + 16 * j;
          if (counts && key <= first + query) {
            sum[j] += exp2f(s[i][j] - total);
          }
        }
      }
    }
  }
  sums[threadIdx.x >> 4][threadIdx.x & 15] = sum[0];
  sums[threadIdx.x >> 4][(threadIdx.x & 15) + 16] = sum[1];
  __syncthreads();
  if (threadIdx.x < TILE && base + threadIdx.x < first + count) {
    float all = 0.0f;
    for (int i = 0; i < THREADS / 16; i++) {
      all += sums[i][threadIdx.x];
    }
    scores[(long long)kvHead * tokens + base + threadIdx.x] += all;
  }
}

// Grid: (kept, kv heads). kept: [kv heads, keptCount] positions. To slots [0, keptCount) of a layer of
// a cache; `scores`, `slotScores` and `slotRanks` may be null.
template <typename T, typename S>
__device__ __forceinline__ void store(
    const T* keys,
    const T* values,
    const float* scores,
    int tokens,
    const int* kept,
    int layer,
    int slots,
    S* slotKeys,
    S* slotValues,
    int* slotPositions,
    float* slotScores,
    int* slotRanks,
    int* freeSlots) {
  int slot = blockIdx.x;
  int kvHead = blockIdx.y;
  int position = kept[(long long)kvHead * gridDim.x + slot];
  long long from = ((long long)kvHead * tokens + position) * DIM;
  long long head = (long long)layer * gridDim.y + kvHead;
  long long to = head * slots + slot;
  for (int c = threadIdx.x; c < DIM; c += blockDim.x) {
    put(slotKeys, to * DIM + c, to_float(keys[from + c]));
    put(slotValues, to * DIM + c, to_float(values[from + c]));
  }
  if (threadIdx.x == 0) {
    slotPositions[to] = position;
    if (slotScores != nullptr) {
      slotScores[to] = scores != nullptr ? scores[(long long)kvHead * tokens + position] : 0.0f;
    }
    if (slotRanks != nullptr) {
      slotRanks[to] = slot;
    }
    if (slot == 0) {
      freeSlots[head] = -1;
    }
  }
}

#define STORE(T, NAME, S, TO)                                                                     \
  extern "C" __global__ void prompt_store_##NAME##_to_##TO(                                      \
      const T* keys, const T* values, const float* scores, int tokens, const int* kept,          \
      int layer, int slots, S* slotKeys, S* slotValues, int* slotPositions, float* slotScores,   \
      int* slotRanks, int* freeSlots) {                                                          \
    store<T, S>(                                                                                 \
        keys, values, scores, tokens, kept, layer, slots, slotKeys, slotValues, slotPositions,   \
        slotScores, slotRanks, freeSlots);                                                       \
  }

#define PROMPT(T, NAME)                                                                           \
  extern "C" __global__ void prompt_take_##NAME(                                                 \
      const T* q, const T* k, const T* v, int qRow, int kvRow, int headStride, int kvHeads,      \
      int first, int tokens, int pairs, const float* cosines, const float* sines, T* queries,    \
      T* keys, T* values, T* unturned) {                                                         \
    take<T>(                                                                                     \
        q, k, v, qRow, kvRow, headStride, kvHeads, first, tokens, pairs, cosines, sines,         \
        queries, keys, values, unturned);                                                        \
  }                                                                                              \
  extern "C" __global__ void __launch_bounds__(THREADS) prompt_attend_##NAME(                    \
      const T* queries, const T* keys, const T* values, int first, int count, int tokens,        \
      T* attended, float* logSumExp) {                                                           \
    prompt_attend<T>(queries, keys, values, first, count, tokens, attended, logSumExp);          \
  }                                                                                              \
  extern "C" __global__ void __launch_bounds__(THREADS) prompt_scores_##NAME(                    \
      const T* queries, const T* keys, int first, int count, int tokens, int firstScoring,       \
      const float* logSumExp, float* scores) {                                                   \
    prompt_scores<T>(                                                                            \
        queries, keys, first, count, tokens, firstScoring, logSumExp, scores);                   \
  }                                                                                              \
  STORE(T, NAME, float, float32)                                                                 \
  STORE(T, NAME, bf16, bfloat16)

PROMPT(float, float32)
PROMPT(bf16, bfloat16)
