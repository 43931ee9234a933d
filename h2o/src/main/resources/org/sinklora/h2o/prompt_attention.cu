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
// 1. float32 arithmetic on tiles of 32 by 32 in shared memory. Kept for float32, and for heads that do not
//    divide by 16.
// 2. Tensor cores, tiles of 64 by 64 by cp.async: keys of the next tile come while values are summed.

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

#if DIM % 16 == 0
// The same two for bfloat16 on tensor cores: a warp has 16 rows, a block 64, against tiles of 64.

#define WIDE 64
#define WIDE_THREADS 128
#define WIDE_ROW (DIM + 8)  // rows in shared memory: ldmatrix meets all banks
#define STEPS (DIM / 16)

__device__ __forceinline__ unsigned pack(float low, float high) {
  unsigned word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

__device__ __forceinline__ unsigned shared_address(const void* at) {
  unsigned address;
  asm("{ .reg .u64 wide; cvta.to.shared.u64 wide, %1; cvt.u32.u64 %0, wide; }"
      : "=r"(address)
      : "l"(at));
  return address;
}

// Rows [first, first + 64) of `from` on their way to shared memory; rows from `end` on become 0.
__device__ __forceinline__ void fetch(
    const bf16* from, long long rowStride, int first, int end, bf16* tile) {
  for (int i = threadIdx.x; i < WIDE * (DIM / 8); i += WIDE_THREADS) {
    int row = i / (DIM / 8);
    int c = i % (DIM / 8) * 8;
    bool there = first + row < end;
    const bf16* source = from + (there ? first + row : 0) * rowStride + c;
    int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(shared_address(tile + row * WIDE_ROW + c)), "l"(source), "r"(bytes)
                 : "memory");
  }
}

__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int LEFT>
__device__ __forceinline__ void arrived() {
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

__device__ __forceinline__ void matrices(unsigned (&r)[4], const bf16* at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(at))
               : "memory");
}

__device__ __forceinline__ void matrices_transposed(unsigned (&r)[4], const bf16* at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(at))
               : "memory");
}

// 16 rows by 16 columns of a tile, as the left operand of a product.
__device__ __forceinline__ void left(unsigned (&r)[4], const bf16* tile, int row, int c) {
  int lane = threadIdx.x & 31;
  matrices(r, tile + (row + (lane & 15)) * WIDE_ROW + c + (lane >> 4) * 8);
}

// 16 rows by 16 columns of a tile, as right operands: r[0], r[1] for its first 8 rows.
__device__ __forceinline__ void right(unsigned (&r)[4], const bf16* tile, int row, int c) {
  int lane = threadIdx.x & 31;
  matrices(r, tile + (row + (lane >> 4) * 8 + (lane & 7)) * WIDE_ROW + c + ((lane >> 3) & 1) * 8);
}

// The same transposed: r[0], r[1] for its first 8 columns.
__device__ __forceinline__ void right_transposed(
    unsigned (&r)[4], const bf16* tile, int row, int c) {
  int lane = threadIdx.x & 31;
  matrices_transposed(
      r, tile + (row + ((lane >> 3) & 1) * 8 + (lane & 7)) * WIDE_ROW + c + (lane >> 4) * 8);
}

__device__ __forceinline__ void multiply(
    float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// s = rows . tile^T for the 16 rows of a warp, given as left operands, and 64 rows of a tile.
__device__ __forceinline__ void scores_of(
    float (&s)[8][4], const unsigned (&rows)[STEPS][4], const bf16* tile) {
#pragma unroll
  for (int n = 0; n < 8; n++) {
    s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0.0f;
  }
#pragma unroll
  for (int k = 0; k < STEPS; k++) {
#pragma unroll
    for (int n = 0; n < 8; n += 2) {
      unsigned b[4];
      right(b, tile, n * 8, k * 16);
      multiply(s[n], rows[k], b[0], b[1]);
      multiply(s[n + 1], rows[k], b[2], b[3]);
    }
  }
}

// Grid: (tiles of 64 queries, heads). Dynamic shared memory: 3 * 64 * WIDE_ROW bfloat16.
extern "C" __global__ void __launch_bounds__(WIDE_THREADS) prompt_attend_tensor(
    const bf16* queries,
    const bf16* keys,
    const bf16* values,
    int first,
    int count,
    int tokens,
    bf16* attended,
    float* logSumExp) {
  extern __shared__ __align__(16) bf16 tiles[];
  bf16* q = tiles;
  bf16* k = tiles + WIDE * WIDE_ROW;
  bf16* v = tiles + 2 * WIDE * WIDE_ROW;
  int head = blockIdx.y;
  int heads = gridDim.y;
  // The last queries see the most keys: they begin first.
  int firstQuery = (gridDim.x - 1 - blockIdx.x) * WIDE;
  long long before = (long long)(head / SHARING) * tokens * DIM;
  int end = first + min(count, firstQuery + WIDE);
  int lane = threadIdx.x & 31;
  int warpRow = (threadIdx.x >> 5) * 16;
  const float scale = LOG2_E * rsqrtf((float)DIM);

  fetch(queries + (long long)head * DIM, (long long)heads * DIM, firstQuery, count, q);
  fetch(keys + before, DIM, 0, end, k);
  commit();
  arrived<0>();
  __syncthreads();
  unsigned rows[STEPS][4];
#pragma unroll
  for (int i = 0; i < STEPS; i++) {
    left(rows[i], q, warpRow, i * 16);
  }
  float out[DIM / 8][4];
#pragma unroll
  for (int i = 0; i < DIM / 8; i++) {
    out[i][0] = out[i][1] = out[i][2] = out[i][3] = 0.0f;
  }
  float most[2] = {minus_infinity(), minus_infinity()};
  float sum[2] = {0.0f, 0.0f};
  int position = first + firstQuery + warpRow + (lane >> 2);  // of the thread's first row

  for (int base = 0; base < end; base += WIDE) {
    fetch(values + before, DIM, base, end, v);
    commit();
    float s[8][4];
    scores_of(s, rows, k);
    if (base + WIDE - 1 > first + firstQuery + warpRow) {
#pragma unroll
      for (int n = 0; n < 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          int key = base + n * 8 + (lane & 3) * 2 + (i & 1);
          if (key > position + (i >> 1) * 8) {
            s[n][i] = minus_infinity();
          }
        }
      }
    }
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float high = minus_infinity();
#pragma unroll
      for (int n = 0; n < 8; n++) {
        high = fmaxf(high, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
      }
      high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, 1));
      high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, 2));
      high = fmaxf(most[half], high * scale);
      factor[half] = exp2f(most[half] - high);
      most[half] = high;
      float added = 0.0f;
#pragma unroll
      for (int n = 0; n < 8; n++) {
        s[n][2 * half] = exp2f(s[n][2 * half] * scale - high);
        s[n][2 * half + 1] = exp2f(s[n][2 * half + 1] * scale - high);
        added += s[n][2 * half] + s[n][2 * half + 1];
      }
      added += __shfl_xor_sync(0xffffffffu, added, 1);
      added += __shfl_xor_sync(0xffffffffu, added, 2);
      sum[half] = sum[half] * factor[half] + added;
    }
#pragma unroll
    for (int i = 0; i < DIM / 8; i++) {
      out[i][0] *= factor[0];
      out[i][1] *= factor[0];
      out[i][2] *= factor[1];
      out[i][3] *= factor[1];
    }
    arrived<0>();
    __syncthreads();
    if (base + WIDE < end) {
      fetch(keys + before, DIM, base + WIDE, end, k);
      commit();
    }
#pragma unroll
    for (int step = 0; step < 4; step++) {
      unsigned p[4] = {
          pack(s[2 * step][0], s[2 * step][1]),
          pack(s[2 * step][2], s[2 * step][3]),
          pack(s[2 * step + 1][0], s[2 * step + 1][1]),
          pack(s[2 * step + 1][2], s[2 * step + 1][3])};
#pragma unroll
      for (int i = 0; i < DIM / 8; i += 2) {
        unsigned b[4];
        right_transposed(b, v, step * 16, i * 8);
        multiply(out[i], p, b[0], b[1]);
        multiply(out[i + 1], p, b[2], b[3]);
      }
    }
    arrived<0>();
    __syncthreads();
  }

#pragma unroll
  for (int half = 0; half < 2; half++) {
    int query = firstQuery + warpRow + (lane >> 2) + 8 * half;
    if (query < count) {
      float inverse = 1.0f / sum[half];
      long long at = ((long long)query * heads + head) * DIM + (lane & 3) * 2;
#pragma unroll
      for (int i = 0; i < DIM / 8; i++) {
        *reinterpret_cast<unsigned*>(attended + at + i * 8) =
            pack(out[i][2 * half] * inverse, out[i][2 * half + 1] * inverse);
      }
      if ((lane & 3) == 0) {
        logSumExp[(long long)head * count + query] = most[half] + log2f(sum[half]);
      }
    }
  }
}

// Grid: (tiles of 64 keys below first + count, kv heads). Dynamic shared memory as above. Keys are the
// rows of the warps: their sums stay in registers while queries pass by.
extern "C" __global__ void __launch_bounds__(WIDE_THREADS) prompt_scores_tensor(
    const bf16* queries,
    const bf16* keys,
    int first,
    int count,
    int tokens,
    int firstScoring,
    const float* logSumExp,
    float* scores) {
  extern __shared__ __align__(16) bf16 tiles[];
  __shared__ float totals[2][WIDE];
  bf16* k = tiles;
  int kvHead = blockIdx.y;
  int heads = gridDim.y * SHARING;
  int base = blockIdx.x * WIDE;
  int lane = threadIdx.x & 31;
  int warpRow = (threadIdx.x >> 5) * 16;
  const float scale = LOG2_E * rsqrtf((float)DIM);
  // The first tile of queries that sees a key of this one and counts.
  int from = max(0, max(base, firstScoring) - first) / WIDE * WIDE;
  int tilesOfHead = (count - from + WIDE - 1) / WIDE;
  if (tilesOfHead <= 0) {
    return;
  }
  int all = tilesOfHead * SHARING;

  fetch(keys + (long long)kvHead * tokens * DIM, DIM, base, first + count, k);
  commit();
  arrived<0>();
  __syncthreads();
  unsigned rows[STEPS][4];
#pragma unroll
  for (int i = 0; i < STEPS; i++) {
    left(rows[i], k, warpRow, i * 16);
  }
  float sum[2] = {0.0f, 0.0f};
  int key = base + warpRow + (lane >> 2);  // the thread's first

  for (int i = -1; i < all; i++) {
    if (i + 1 < all) {
      int next = i + 1;
      int head = kvHead * SHARING + next / tilesOfHead;
      int firstQuery = from + next % tilesOfHead * WIDE;
      bf16* tile = tiles + (1 + (next & 1)) * WIDE * WIDE_ROW;
      fetch(queries + (long long)head * DIM, (long long)heads * DIM, firstQuery, count, tile);
      if (threadIdx.x < WIDE) {
        int query = firstQuery + threadIdx.x;
        bool counts = query < count && first + query >= firstScoring;
        totals[next & 1][threadIdx.x] =
            counts ? logSumExp[(long long)head * count + query] : 1e30f;
      }
    }
    commit();
    if (i < 0) {
      continue;
    }
    arrived<1>();
    __syncthreads();
    float s[8][4];
    scores_of(s, rows, tiles + (1 + (i & 1)) * WIDE * WIDE_ROW);
    int position = first + from + i % tilesOfHead * WIDE;  // of the tile's first query
#pragma unroll
    for (int n = 0; n < 8; n++) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        int query = n * 8 + (lane & 3) * 2 + (j & 1);
        float p = exp2f(s[n][j] * scale - totals[i & 1][query]);
        if (key + (j >> 1) * 8 <= position + query) {
          sum[j >> 1] += p;
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 1);
    sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 2);
    int at = key + 8 * half;
    if ((lane & 3) == 0 && at < first + count) {
      scores[(long long)kvHead * tokens + at] += sum[half];
    }
  }
}
#endif

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
