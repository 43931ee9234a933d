// Attention of a decoding step over the slots of KV caches that stay on the GPU, with the scores of
// H2O and the choice of the slot that the next token takes.
//
// Every row of the batch is the newest token of a sequence with a cache and a policy of its own; what
// varies from step to step is read from `Row`s in device memory, so that a step is the same launches
// each time. Keys and values of a sequence are [layer, kv head, slot, DIM].
//
//   start_rows   angles of the new tokens
//   attend   one block a split of the slots, kv head and row: takes the new key and value in, then an
//            online softmax over its slots for the query heads of the kv head, which so read it once
//   combine  one block a kv head and row: joins the splits; adds the probabilities to the scores, finds
//            the slot to free, and keeps the ranks
//   finish_rows  the most probable token of every row, and the rows' next state
//
// Scores are in base 2: the queries carry log2(e) / sqrt(DIM). All sums have a fixed order.
//
// History
// 1. Keys by four lanes a slot, values by columns; keys and values of the next tile are on their way in
//    registers while the last ones are summed.

#ifndef DIM
#define DIM 128
#endif
// Query heads that share a kv head, and how many of them a block takes; the first is a multiple.
#ifndef SHARING
#define SHARING 1
#endif
#ifndef TOGETHER
#define TOGETHER 1
#endif

typedef unsigned short bf16;

#define THREADS 128
#define KIND_BFLOAT16 1
#define KIND_RANKED 2
#define POLICY_H2O 1
#define POLICY_STREAMING 2
#define LOG2_E 1.4426950408889634f

// One sequence; 24 ints. The host writes it, `finish_rows` moves it on.
struct Row {
  int token;       // to be read
  int position;    // of that token
  int used;        // slots that hold a position, or held the one evicted last
  int maxUsed;     // budget + 1, at which one slot is free after every step; 2^31 - 1 without budget
  int policy;      // 0: nothing is dropped
  int recent;
  int sinks;
  int slots;       // of a head, allocated
  int kind;        // KIND_BFLOAT16, KIND_RANKED
  int padding;
  void* keys;
  void* values;
  int* positions;  // [layer, kv head, slot]
  float* scores;   // the same; null without
  int* ranks;      // the same; null unless ranked
  int* freeSlots;  // [layer, kv head]; -1 for none
  int unused[2];
};

__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }

__device__ __forceinline__ void put(float* y, long long at, float value) { y[at] = value; }
__device__ __forceinline__ void put(bf16* y, long long at, float value) {
  bf16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  y[at] = bits;
}

__device__ __forceinline__ float minus_infinity() { return __int_as_float(0xff800000); }

// 16 bytes of the cache. Not the read-only path: the block writes the new token itself.
__device__ __forceinline__ uint4 stream(const void* at) {
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(at)
               : "memory");
  return v;
}

template <typename T>
struct Chunk;

template <>
struct Chunk<bf16> {
  static const int SIZE = 8;
  static __device__ __forceinline__ void open(const uint4& v, float (&f)[8]) {
    unsigned w[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      f[2 * i] = __uint_as_float(w[i] << 16);
      f[2 * i + 1] = __uint_as_float(w[i] & 0xffff0000u);
    }
  }
};

template <>
struct Chunk<float> {
  static const int SIZE = 4;
  static __device__ __forceinline__ void open(const uint4& v, float (&f)[4]) {
    f[0] = __uint_as_float(v.x);
    f[1] = __uint_as_float(v.y);
    f[2] = __uint_as_float(v.z);
    f[3] = __uint_as_float(v.w);
  }
};

// qkv: [rows, qkvSize] float32, not rotated; heads lie headStride apart from queryAt, keyAt, valueAt.
// cosines, sines: [rows, pairs] of each row's token. placeCos, placeSin: [places, pairs], for ranked
// caches. partial: [rows, heads, splits, DIM]; maximum, total: [rows, heads, splits].
// raw: [rows, heads, rawSlots] scores for rows whose policy counts them.
template <typename T, bool RANKED>
__device__ __forceinline__ void attend(
    const Row* rows,
    int layer,
    const float* qkv,
    int qkvSize,
    int queryAt,
    int keyAt,
    int valueAt,
    int headStride,
    int pairs,
    const float* cosines,
    const float* sines,
    const float* placeCos,
    const float* placeSin,
    float* partial,
    float* maximum,
    float* total,
    float* raw,
    int rawSlots) {
  constexpr int SIZE = Chunk<T>::SIZE;
  constexpr int CHUNKS = DIM / SIZE;                    // of 16 bytes, a key or value
  constexpr int MINE = (CHUNKS + 3) / 4;                // chunks of a lane for a key
  constexpr int EACH = MINE >= 8 ? 1 : 8 / MINE;        // keys of a lane in a tile
  constexpr int TILE = EACH * (THREADS / 4);            // slots
  constexpr int ABREAST = THREADS / CHUNKS;             // values that the block reads side by side
  constexpr int DEEP = (TILE + ABREAST - 1) / ABREAST;  // values of a thread in a tile
  static_assert(DIM % SIZE == 0 && CHUNKS <= THREADS, "head dimension");

  int b = blockIdx.z;
  const Row& row = rows[b];
  int wanted = (sizeof(T) == 2 ? KIND_BFLOAT16 : 0) | (RANKED ? KIND_RANKED : 0);
  if (row.kind != wanted) {
    return;
  }
  constexpr int PARTS = SHARING / TOGETHER;
  int kvHeads = gridDim.y / PARTS;
  int kvHead = blockIdx.y / PARTS;
  int firstHead = kvHead * SHARING + (blockIdx.y % PARTS) * TOGETHER;
  int heads = kvHeads * SHARING;
  int splits = gridDim.x;
  int split = blockIdx.x;

  __shared__ __align__(16) float q[TOGETHER][DIM];
  __shared__ float weight[TOGETHER][TILE];
  __shared__ float rescale[TOGETHER];
  __shared__ float most[TOGETHER];
  __shared__ float sum[TOGETHER];
  __shared__ float joined[ABREAST][DIM];

  // What the cache holds once the new token is in.
  bool hole = row.used == row.maxUsed;
  long long headIndex = (long long)layer * kvHeads + kvHead;
  int slot = hole ? row.freeSlots[headIndex] : row.used;
  int n = hole ? row.used : row.used + 1;
  long long slotsBefore = headIndex * row.slots;
  T* keys = (T*)row.keys + slotsBefore * DIM;
  T* values = (T*)row.values + slotsBefore * DIM;

  int share = ((n + splits - 1) / splits + 7) / 8 * 8;
  int from = min(n, split * share);
  int to = min(n, from + share);

  const float* mine = qkv + (long long)b * qkvSize;
  const float* cosine = cosines + (long long)b * pairs;
  const float* sine = sines + (long long)b * pairs;
  for (int i = threadIdx.x; i < TOGETHER * DIM; i += THREADS) {
    int g = i / DIM;
    int c = i % DIM;
    const float* head = mine + queryAt + (long long)(firstHead + g) * headStride;
    float value = head[c];
    if (c < pairs) {
      value = value * cosine[c] - head[c + pairs] * sine[c];
    } else if (c < 2 * pairs) {
      value = value * cosine[c - pairs] + head[c - pairs] * sine[c - pairs];
    }
    q[g][c] = value * (LOG2_E * rsqrtf((float)DIM));
  }
  if (threadIdx.x < TOGETHER) {
    most[threadIdx.x] = minus_infinity();
    sum[threadIdx.x] = 0.0f;
  }
  if (slot >= from && slot < to) {
    const float* key = mine + keyAt + (long long)kvHead * headStride;
    const float* value = mine + valueAt + (long long)kvHead * headStride;
    for (int c = threadIdx.x; c < DIM; c += THREADS) {
      float k = key[c];
      if (!RANKED) {
        if (c < pairs) {
          k = k * cosine[c] - key[c + pairs] * sine[c];
        } else if (c < 2 * pairs) {
          k = k * cosine[c - pairs] + key[c - pairs] * sine[c - pairs];
        }
      }
      put(keys, (long long)slot * DIM + c, k);
      put(values, (long long)slot * DIM + c, value[c]);
    }
    if (threadIdx.x == 0) {
      row.positions[slotsBefore + slot] = row.position;
      if (row.scores != nullptr) {
        row.scores[slotsBefore + slot] = 0.0f;
      }
      if (RANKED) {
        row.ranks[slotsBefore + slot] = n - 1;
      }
    }
  }
  __syncthreads();

  bool counts = row.policy == POLICY_H2O;
  const int* ranks = row.ranks + slotsBefore;
  int lane = threadIdx.x & 31;
  int warp = threadIdx.x >> 5;
  int quarter = threadIdx.x & 3;
  int keyRow = threadIdx.x >> 2;
  int valueRow = threadIdx.x / CHUNKS;
  int valueChunk = threadIdx.x % CHUNKS;
  bool readsValues = valueRow < ABREAST;
  float out[TOGETHER][SIZE];
#pragma unroll
  for (int g = 0; g < TOGETHER; g++) {
#pragma unroll
    for (int c = 0; c < SIZE; c++) {
      out[g][c] = 0.0f;
    }
  }
  uint4 k[EACH][MINE];
  uint4 v[DEEP];

#define LOAD_KEYS(BASE)                                                         \
  _Pragma("unroll") for (int e = 0; e < EACH; e++) {                            \
    int s = (BASE) + keyRow + e * (THREADS / 4);                                \
    _Pragma("unroll") for (int m = 0; m < MINE; m++) {                          \
      int chunk = quarter + 4 * m;                                              \
      bool there = s < to && (CHUNKS % 4 == 0 || chunk < CHUNKS);               \
      k[e][m] = there ? stream(keys + (long long)s * DIM + chunk * SIZE)        \
                      : make_uint4(0u, 0u, 0u, 0u);                             \
    }                                                                           \
  }

  LOAD_KEYS(from)
  for (int base = from; base < to; base += TILE) {
#pragma unroll
    for (int d = 0; d < DEEP; d++) {
      int inTile = valueRow + d * ABREAST;
      bool there = readsValues && inTile < TILE && base + inTile < to;
      v[d] = there ? stream(values + (long long)(base + inTile) * DIM + valueChunk * SIZE)
                   : make_uint4(0u, 0u, 0u, 0u);
    }
    // Scores: four lanes a slot.
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      int inTile = keyRow + e * (THREADS / 4);
      int s = base + inTile;
      float dot[TOGETHER];
#pragma unroll
      for (int g = 0; g < TOGETHER; g++) {
        dot[g] = 0.0f;
      }
      const float* turnCos = nullptr;
      const float* turnSin = nullptr;
      if (RANKED) {
        int place = s < to ? ranks[s] : 0;
        turnCos = placeCos + (long long)place * pairs;
        turnSin = placeSin + (long long)place * pairs;
      }
#pragma unroll
      for (int m = 0; m < MINE; m++) {
        int chunk = quarter + 4 * m;
        if (CHUNKS % 4 == 0 || chunk < CHUNKS) {
          float f[SIZE];
          Chunk<T>::open(k[e][m], f);
          if (RANKED) {
            // q . R k, by components of k: rotating the query back instead of the key.
#pragma unroll
            for (int c = 0; c < SIZE; c++) {
              int at = chunk * SIZE + c;
              bool second = at >= pairs;
              int pair = second ? at - pairs : at;
              bool turns = at < 2 * pairs;
              float cs = turns ? turnCos[pair] : 1.0f;
              float sn = turns ? turnSin[pair] : 0.0f;
              int partner = turns ? (second ? at - pairs : at + pairs) : at;
              sn = second ? -sn : sn;
#pragma unroll
              for (int g = 0; g < TOGETHER; g++) {
                dot[g] += f[c] * (q[g][at] * cs + q[g][partner] * sn);
              }
            }
          } else {
#pragma unroll
            for (int g = 0; g < TOGETHER; g++) {
              const float4* part = reinterpret_cast<const float4*>(&q[g][chunk * SIZE]);
#pragma unroll
              for (int c = 0; c < SIZE / 4; c++) {
                float4 x = part[c];
                dot[g] += f[4 * c] * x.x;
                dot[g] += f[4 * c + 1] * x.y;
                dot[g] += f[4 * c + 2] * x.z;
                dot[g] += f[4 * c + 3] * x.w;
              }
            }
          }
        }
      }
#pragma unroll
      for (int g = 0; g < TOGETHER; g++) {
        float d = dot[g];
        d += __shfl_xor_sync(0xffffffffu, d, 1);
        d += __shfl_xor_sync(0xffffffffu, d, 2);
        if (quarter == 0) {
          weight[g][inTile] = s < to ? d : minus_infinity();
          if (counts && s < to) {
            raw[((long long)b * heads + firstHead + g) * rawSlots + s] = d;
          }
        }
      }
    }
    if (base + TILE < to) {
      LOAD_KEYS(base + TILE)
    }
    __syncthreads();
    // Weights: a warp a query head.
    for (int g = warp; g < TOGETHER; g += THREADS / 32) {
      float mostHere = most[g];
      float before = mostHere;
#pragma unroll
      for (int i = 0; i < TILE / 32; i++) {
        mostHere = fmaxf(mostHere, weight[g][lane + 32 * i]);
      }
#pragma unroll
      for (int step = 16; step > 0; step >>= 1) {
        mostHere = fmaxf(mostHere, __shfl_xor_sync(0xffffffffu, mostHere, step));
      }
      float added = 0.0f;
#pragma unroll
      for (int i = 0; i < TILE / 32; i++) {
        float p = exp2f(weight[g][lane + 32 * i] - mostHere);
        weight[g][lane + 32 * i] = p;
        added += p;
      }
#pragma unroll
      for (int step = 16; step > 0; step >>= 1) {
        added += __shfl_xor_sync(0xffffffffu, added, step);
      }
      __syncwarp();
      if (lane == 0) {
        float factor = exp2f(before - mostHere);
        rescale[g] = factor;
        most[g] = mostHere;
        sum[g] = sum[g] * factor + added;
      }
    }
    __syncthreads();
    // Values: a thread a chunk of columns.
#pragma unroll
    for (int g = 0; g < TOGETHER; g++) {
      float factor = rescale[g];
#pragma unroll
      for (int c = 0; c < SIZE; c++) {
        out[g][c] *= factor;
      }
    }
#pragma unroll
    for (int d = 0; d < DEEP; d++) {
      int inTile = valueRow + d * ABREAST;
      if (readsValues && inTile < TILE) {
        float f[SIZE];
        Chunk<T>::open(v[d], f);
#pragma unroll
        for (int g = 0; g < TOGETHER; g++) {
          float p = weight[g][inTile];
#pragma unroll
          for (int c = 0; c < SIZE; c++) {
            out[g][c] += p * f[c];
          }
        }
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int g = 0; g < TOGETHER; g++) {
    if (readsValues) {
#pragma unroll
      for (int c = 0; c < SIZE; c++) {
        joined[valueRow][valueChunk * SIZE + c] = out[g][c];
      }
    }
    __syncthreads();
    long long at = ((long long)b * heads + firstHead + g) * splits + split;
    for (int c = threadIdx.x; c < DIM; c += THREADS) {
      float all = 0.0f;
#pragma unroll
      for (int i = 0; i < ABREAST; i++) {
        all += joined[i][c];
      }
      partial[at * DIM + c] = all;
    }
    if (threadIdx.x == 0) {
      maximum[at] = most[g];
      total[at] = sum[g];
    }
    __syncthreads();
  }
}

#define ATTEND(NAME, T, RANKED)                                                                    \
  extern "C" __global__ void __launch_bounds__(THREADS) NAME(                                     \
      const Row* rows, int layer, const float* qkv, int qkvSize, int queryAt, int keyAt,          \
      int valueAt, int headStride, int pairs, const float* cosines, const float* sines,           \
      const float* placeCos, const float* placeSin, float* partial, float* maximum, float* total, \
      float* raw, int rawSlots) {                                                                 \
    attend<T, RANKED>(                                                                            \
        rows, layer, qkv, qkvSize, queryAt, keyAt, valueAt, headStride, pairs, cosines, sines,    \
        placeCos, placeSin, partial, maximum, total, raw, rawSlots);                              \
  }

ATTEND(attend_float32, float, false)
ATTEND(attend_bfloat16, bf16, false)
ATTEND(attend_float32_ranked, float, true)
ATTEND(attend_bfloat16_ranked, bf16, true)

// Whether slot a, of score x and position p, goes before slot b, of score y and position o.
__device__ __forceinline__ bool lighter(float x, int p, float y, int o) {
  return x < y || (x == y && p < o);
}

#define NOWHERE 0x7fffffff

// Grid: kv heads, rows. attended: [rows, heads * DIM].
template <typename Y>
__device__ __forceinline__ void combine(
    const Row* rows,
    int layer,
    const float* partial,
    const float* maximum,
    const float* total,
    int splits,
    const float* raw,
    int rawSlots,
    Y* attended) {
  __shared__ float logSumExp[SHARING];
  __shared__ float most[SHARING];
  __shared__ float factor[SHARING];
  __shared__ float leastScore[32];
  __shared__ int leastPosition[32];
  __shared__ int leastSlot[32];
  __shared__ int leaving;

  int kvHeads = gridDim.x;
  int kvHead = blockIdx.x;
  int b = blockIdx.y;
  const Row& row = rows[b];
  int heads = kvHeads * SHARING;
  long long firstHead = (long long)b * heads + kvHead * SHARING;

  if (threadIdx.x < SHARING) {
    long long at = (firstHead + threadIdx.x) * splits;
    float high = minus_infinity();
    for (int i = 0; i < splits; i++) {
      high = fmaxf(high, maximum[at + i]);
    }
    float all = 0.0f;
    for (int i = 0; i < splits; i++) {
      all += total[at + i] * exp2f(maximum[at + i] - high);
    }
    most[threadIdx.x] = high;
    factor[threadIdx.x] = 1.0f / all;
    logSumExp[threadIdx.x] = high + log2f(all);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < SHARING * DIM; i += blockDim.x) {
    int g = i / DIM;
    long long at = (firstHead + g) * splits;
    float all = 0.0f;
#pragma unroll 4
    for (int s = 0; s < splits; s++) {
      all += partial[(at + s) * DIM + i % DIM] * exp2f(maximum[at + s] - most[g]);
    }
    put(attended, firstHead * DIM + i, all * factor[g]);
  }

  bool hole = row.used == row.maxUsed;
  int n = hole ? row.used : row.used + 1;
  bool full = n == row.maxUsed;
  long long headIndex = (long long)layer * kvHeads + kvHead;
  long long slotsBefore = headIndex * row.slots;

  if (row.policy == POLICY_H2O) {
    float* scores = row.scores + slotsBefore;
    const int* positions = row.positions + slotsBefore;
    int end = row.position - row.recent + 1;
    float least = __int_as_float(0x7f800000);
    int oldest = NOWHERE;
    int where = -1;
#pragma unroll 4
    for (int s = threadIdx.x; s < n; s += blockDim.x) {
      float score = scores[s];
      int position = positions[s];
#pragma unroll
      for (int g = 0; g < SHARING; g++) {
        score += exp2f(raw[(firstHead + g) * rawSlots + s] - logSumExp[g]);
      }
      scores[s] = score;
      if (position < end && lighter(score, position, least, oldest)) {
        least = score;
        oldest = position;
        where = s;
      }
    }
    if (full) {
#pragma unroll
      for (int step = 16; step > 0; step >>= 1) {
        float score = __shfl_xor_sync(0xffffffffu, least, step);
        int position = __shfl_xor_sync(0xffffffffu, oldest, step);
        int s = __shfl_xor_sync(0xffffffffu, where, step);
        if (lighter(score, position, least, oldest)) {
          least = score;
          oldest = position;
          where = s;
        }
      }
      if ((threadIdx.x & 31) == 0) {
        leastScore[threadIdx.x >> 5] = least;
        leastPosition[threadIdx.x >> 5] = oldest;
        leastSlot[threadIdx.x >> 5] = where;
      }
      __syncthreads();
      if (threadIdx.x == 0) {
        for (int w = 1; w < blockDim.x / 32; w++) {
          if (lighter(leastScore[w], leastPosition[w], least, oldest)) {
            least = leastScore[w];
            oldest = leastPosition[w];
            where = leastSlot[w];
          }
        }
        leaving = where;
      }
    }
  } else if (row.policy == POLICY_STREAMING && full && threadIdx.x == 0) {
    // Behind the sinks slots are a ring of recent + 1: the slot after the newest is the oldest.
    int newest = hole ? row.freeSlots[headIndex] : row.used;
    leaving = row.sinks + (newest - row.sinks + 1) % (row.recent + 1);
  }
  if (row.policy == 0 || !full) {
    return;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    row.freeSlots[headIndex] = leaving;
  }
  if ((row.kind & KIND_RANKED) != 0) {
    int* ranks = row.ranks + slotsBefore;
    int rank = ranks[leaving];
    // Equal only in the slot that leaves, which is not changed: the order of the threads is of no matter.
    for (int s = threadIdx.x; s < n; s += blockDim.x) {
      if (ranks[s] > rank) {
        ranks[s] -= 1;
      }
    }
  }
}

#define COMBINE(NAME, Y)                                                                         \
  extern "C" __global__ void __launch_bounds__(1024) NAME(                                      \
      const Row* rows, int layer, const float* partial, const float* maximum,                   \
      const float* total, int splits, const float* raw, int rawSlots, Y* attended) {            \
    combine<Y>(rows, layer, partial, maximum, total, splits, raw, rawSlots, attended);          \
  }

COMBINE(combine_float32, float)
COMBINE(combine_bfloat16, bf16)

// Grid: rows. frequencies, cosines, sines: [rows, pairs].
extern "C" __global__ void start_rows(
    const Row* rows,
    const float* frequencies,
    float scaling,
    int pairs,
    float* cosines,
    float* sines) {
  const Row& row = rows[blockIdx.x];
  int place = row.position;
  if ((row.kind & KIND_RANKED) != 0) {
    place = row.used == row.maxUsed ? row.used - 1 : row.used;
  }
  for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
    long long at = (long long)blockIdx.x * pairs + i;
    float angle = (float)place * frequencies[at];
    cosines[at] = cosf(angle) * scaling;
    sines[at] = sinf(angle) * scaling;
  }
}

// Grid: rows. logits: [rows, vocabulary]. Of equal logits the smaller id wins.
extern "C" __global__ void __launch_bounds__(1024) finish_rows(
    Row* rows, const float* logits, int vocabulary) {
  __shared__ float bests[32];
  __shared__ int ids[32];
  const float* mine = logits + (long long)blockIdx.x * vocabulary;
  float best = minus_infinity();
  int id = NOWHERE;
#pragma unroll 4
  for (int i = threadIdx.x; i < vocabulary; i += blockDim.x) {
    float logit = mine[i];
    if (logit > best) {
      best = logit;
      id = i;
    }
  }
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) {
    float other = __shfl_xor_sync(0xffffffffu, best, step);
    int otherId = __shfl_xor_sync(0xffffffffu, id, step);
    if (other > best || (other == best && otherId < id)) {
      best = other;
      id = otherId;
    }
  }
  if ((threadIdx.x & 31) == 0) {
    bests[threadIdx.x >> 5] = best;
    ids[threadIdx.x >> 5] = id;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < blockDim.x / 32; w++) {
      if (bests[w] > best || (bests[w] == best && ids[w] < id)) {
        best = bests[w];
        id = ids[w];
      }
    }
    Row& row = rows[blockIdx.x];
    row.token = id == NOWHERE ? 0 : id;
    row.position += 1;
    row.used = row.used == row.maxUsed ? row.used : row.used + 1;
  }
}

// Describes slots that a measurement filled with random keys and values, as if `context` tokens had
// been read and all but the last `recent` slots held the oldest. Grid: (layers * kv heads, rows).
extern "C" __global__ void pretend_read(const Row* rows, int context) {
  const Row& row = rows[blockIdx.y];
  long long before = (long long)blockIdx.x * row.slots;
  for (int s = threadIdx.x; s < row.used; s += blockDim.x) {
    int older = row.used - row.recent;
    row.positions[before + s] = s < older ? s : context - row.used + s;
    if (row.scores != nullptr) {
      row.scores[before + s] = 1.0f + (float)((s * 40503u + blockIdx.x) & 1023u);
    }
    if (row.ranks != nullptr) {
      row.ranks[before + s] = s;
    }
  }
  if (threadIdx.x == 0) {
    row.freeSlots[blockIdx.x] = -1;
  }
}
