// Attention backward on Hopper's tensor cores, bfloat16 in, float32 sums: head dim 64 or 128.
//
//   P = exp(scale · q·k − logSumExp), dS = P ∘ (dOut·v − Δ), Δ(i) = Σ_d dOut(i,d) · out(i,d)
//   dV = Pᵀ dOut, dK = scale · dSᵀ q, dQ = scale · dS k
//
// Five kernels: Δ and the softmax statistics tile by tile; the local part; dQ to bfloat16 together
// with what the sinks add to it; the sums over the query heads of a kv head; the sinks' own
// gradients.
//
// The local part: one block a multiprocessor works through a list of items (128 keys of a segment
// of a head, against all later queries of the segment in tiles of 64). Scores are computed
// transposed, so that P and dS feed dV and dK from registers. dQ leaves tile by tile in float32
// and is summed in memory in a fixed order: the key tile on the diagonal first, then the earlier
// ones. A counter for each query tile says whose turn it is; items are listed so that the one
// waited for has always begun before.
//
// History (H100, T 8,192, G 2,048, 32 heads of 128; the local part alone)
//   1. 64 queries × 128 keys, two consumer warpgroups, dS in shared memory twice, so that a step
//      needs one barrier: 0.91 ms.
//   2. dQ before dK, so that dK runs while dQ is handed over: 0.94 ms, not kept. With the next
//      step's scores asked for there as well, and dSᵀ for dK read from shared memory to make room
//      in the registers: 0.94 ms, not kept.
//   3. The sinks' share, which 8 threads a row computed with 255 registers, by 16 a row: 0.22 ms.
//
// requires: sm_90a
// follows: hopper.cuh

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
#define QUERIES 64
#define KEYS 128
#define STAGES 2
#define BOXES (HEAD_DIM / 64)
#define CONSUMERS 256
#define BOX(rows) ((rows) * 128)

#define KV_BYTES (KEYS * HEAD_DIM * 2)
#define Q_BYTES (QUERIES * HEAD_DIM * 2)
#define DS_BYTES (KEYS * QUERIES * 2)
#define DQ_FLOATS (QUERIES * HEAD_DIM)
#define DQ_BYTES (DQ_FLOATS * 4)
#define STATISTIC_BYTES (QUERIES * 4)
#define K_AT 0
#define V_AT (K_AT + KV_BYTES)
#define Q_AT (V_AT + KV_BYTES)
#define DO_AT (Q_AT + STAGES * Q_BYTES)
#define DS_AT (DO_AT + STAGES * Q_BYTES)
#define DQ_AT (DS_AT + 2 * DS_BYTES)
#define LSE_AT (DQ_AT + DQ_BYTES)
#define DELTA_AT (LSE_AT + STAGES * STATISTIC_BYTES)
#define BARRIERS_AT (DELTA_AT + STAGES * STATISTIC_BYTES)

#define KV_FULL 0
#define KV_EMPTY 1
#define DQ_FULL 2
#define DQ_EMPTY 3
#define Q_FULL 4
#define Q_EMPTY (Q_FULL + STAGES)
#define DO_FULL (Q_EMPTY + STAGES)
#define DO_EMPTY (DO_FULL + STAGES)

// 64 queries of a segment of a head.
struct QueryTile {
  int head, query, end, sinkStart, sinkCount, unused0, unused1, unused2;
};

// 128 keys of a segment of a head; tile: number of the query tile that begins with the same token.
struct KeyTile {
  int head, key, end, tile, tiles, unused0, unused1, unused2;
};

// Up to 8 query tiles behind each other, of one head and with the same sinks; partial: where its
// sums for the sinks begin, in rows of HEAD_DIM floats: dK and dV of each sink in turn.
struct QueryBlock {
  int tile, tiles, partial, unused;
};

// The sinks of a document in a kv head: blocks[from … to) of the list hold their sums.
struct SinkRows {
  int kvHead, sinkStart, sinkCount, from, to, unused0, unused1, unused2;
};

__device__ __forceinline__ float low(u32 x) { return __uint_as_float(x << 16); }
__device__ __forceinline__ float high(u32 x) { return __uint_as_float(x & 0xFFFF0000u); }

// Lanes that share a row, and the values of each.
#define LANES (HEAD_DIM / 8)
#define LANE_DIMS 8

__device__ __forceinline__ void load_row(float (&x)[LANE_DIMS], const bf16* from) {
  const uint4* p = (const uint4*)from;
#pragma unroll
  for (int i = 0; i < LANE_DIMS / 8; i++) {
    uint4 v = p[i];
    x[8 * i] = low(v.x);
    x[8 * i + 1] = high(v.x);
    x[8 * i + 2] = low(v.y);
    x[8 * i + 3] = high(v.y);
    x[8 * i + 4] = low(v.z);
    x[8 * i + 5] = high(v.z);
    x[8 * i + 6] = low(v.w);
    x[8 * i + 7] = high(v.w);
  }
}

__device__ __forceinline__ float sum_lanes(float x) {
#pragma unroll
  for (int i = 1; i < LANES; i *= 2) x += __shfl_xor_sync(0xFFFFFFFF, x, i);
  return x;
}

// A block of 256 threads a query tile. Rows behind the segment's end get a statistic that makes
// their probabilities 0.
extern "C" __global__ void __launch_bounds__(256)
    attention_backward_statistics(const QueryTile* tiles, const bf16* out, long long outToken,
                                  long long outHead, const bf16* dOut, long long dOutToken,
                                  long long dOutHead, const float* logSumExp, int heads,
                                  float* lse2, float* delta, int* turns) {
  QueryTile tile = tiles[blockIdx.x];
  int lane = threadIdx.x % LANES;
  for (int r = threadIdx.x / LANES; r < QUERIES; r += 256 / LANES) {
    long long token = tile.query + r;
    float sum = 0;
    bool valid = token < tile.end;
    if (valid) {
      float a[LANE_DIMS], b[LANE_DIMS];
      load_row(a, out + token * outToken + tile.head * outHead + lane * LANE_DIMS);
      load_row(b, dOut + token * dOutToken + tile.head * dOutHead + lane * LANE_DIMS);
#pragma unroll
      for (int i = 0; i < LANE_DIMS; i++) sum = fmaf(a[i], b[i], sum);
    }
    sum = sum_lanes(sum);
    if (lane == 0) {
      long long at = (long long)blockIdx.x * QUERIES + r;
      lse2[at] = valid ? logSumExp[token * heads + tile.head] * LOG2E : INFINITY;
      delta[at] = sum;
    }
  }
  if (threadIdx.x == 0) turns[blockIdx.x] = 0;
}

extern "C" __global__ void __launch_bounds__(384, 1) attention_backward(
    const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap dO,
    const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v, const KeyTile* items,
    const int* offsets, const float* lse2, const float* delta, float* dQ, int* turns, bf16* dK,
    long long dKToken, long long dKHead, bf16* dV, long long dVToken, long long dVHead,
    int queriesPerKv, int qHead, int dOHead, int kHead, int vHead, float scale) {
  extern __shared__ unsigned char raw[];
  u32 base = (shared_address(raw) + 1023) & ~1023u;
  u32 barriers = base + BARRIERS_AT;
  int group = threadIdx.x / 128;
  if (threadIdx.x == 0) {
    barrier_init(barriers + 8 * KV_FULL, 1);
    barrier_init(barriers + 8 * KV_EMPTY, CONSUMERS);
    barrier_init(barriers + 8 * DQ_FULL, CONSUMERS);
    barrier_init(barriers + 8 * DQ_EMPTY, 1);
    for (int i = 0; i < STAGES; i++) {
      barrier_init(barriers + 8 * (Q_FULL + i), 1);
      barrier_init(barriers + 8 * (Q_EMPTY + i), CONSUMERS);
      barrier_init(barriers + 8 * (DO_FULL + i), 1);
      barrier_init(barriers + 8 * (DO_EMPTY + i), CONSUMERS);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  int from = offsets[blockIdx.x], to = offsets[blockIdx.x + 1];

  if (group == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == 0) {
      u32 step = 0, count = 0;
      for (int i = from; i < to; i++, count++) {
        KeyTile item = items[i];
        int kv = item.head / queriesPerKv;
        barrier_wait(barriers + 8 * KV_EMPTY, (count & 1) ^ 1);
        barrier_expect(barriers + 8 * KV_FULL, 2 * KV_BYTES);
        for (int box = 0; box < BOXES; box++) {
          tma_load(base + K_AT + box * BOX(KEYS), &k, kv * kHead + box * 64, item.key,
                   barriers + 8 * KV_FULL);
          tma_load(base + V_AT + box * BOX(KEYS), &v, kv * vHead + box * 64, item.key,
                   barriers + 8 * KV_FULL);
        }
        for (int t = 0; t < item.tiles; t++, step++) {
          int stage = step % STAGES;
          u32 parity = ((step / STAGES) & 1) ^ 1;
          int query = item.key + t * QUERIES;
          long long statistic = (long long)(item.tile + t) * QUERIES;
          barrier_wait(barriers + 8 * (Q_EMPTY + stage), parity);
          barrier_expect(barriers + 8 * (Q_FULL + stage), Q_BYTES + STATISTIC_BYTES);
          for (int box = 0; box < BOXES; box++) {
            tma_load(base + Q_AT + stage * Q_BYTES + box * BOX(QUERIES), &q,
                     item.head * qHead + box * 64, query, barriers + 8 * (Q_FULL + stage));
          }
          bulk_load(base + LSE_AT + stage * STATISTIC_BYTES, lse2 + statistic, STATISTIC_BYTES,
                    barriers + 8 * (Q_FULL + stage));
          barrier_wait(barriers + 8 * (DO_EMPTY + stage), parity);
          barrier_expect(barriers + 8 * (DO_FULL + stage), Q_BYTES + STATISTIC_BYTES);
          for (int box = 0; box < BOXES; box++) {
            tma_load(base + DO_AT + stage * Q_BYTES + box * BOX(QUERIES), &dO,
                     item.head * dOHead + box * 64, query, barriers + 8 * (DO_FULL + stage));
          }
          bulk_load(base + DELTA_AT + stage * STATISTIC_BYTES, delta + statistic, STATISTIC_BYTES,
                    barriers + 8 * (DO_FULL + stage));
        }
      }
    } else if (threadIdx.x == 32) {
      // Hands dQ to memory, in its turn.
      u32 step = 0;
      for (int i = from; i < to; i++) {
        KeyTile item = items[i];
        for (int t = 0; t < item.tiles; t++, step++) {
          int turn = t / (KEYS / QUERIES);
          int* counter = turns + item.tile + t;
          float* into = dQ + (long long)(item.tile + t) * DQ_FLOATS;
          barrier_wait(barriers + 8 * DQ_FULL, step & 1);
          if (turn == 0) {
            asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(into),
                         "r"(base + DQ_AT), "r"(DQ_BYTES)
                         : "memory");
          } else {
            int reached;
            do {
              asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(reached) : "l"(counter) : "memory");
            } while (reached < turn);
            asm volatile("fence.proxy.async;" ::: "memory");
            asm volatile(
                "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(into),
                "r"(base + DQ_AT), "r"(DQ_BYTES)
                : "memory");
          }
          asm volatile("cp.async.bulk.commit_group;" ::: "memory");
          asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
          barrier_arrive(barriers + 8 * DQ_EMPTY);
          asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
          asm volatile("fence.proxy.async;" ::: "memory");
          __threadfence();
          asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(counter), "r"(turn + 1) : "memory");
        }
      }
    }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    int thread = threadIdx.x & 127;
    int half = group - 1;
    int row = (thread / 32) * 16 + (thread & 31) / 4;
    int key = half * 64 + row;
    int column = 2 * (thread & 3);
    float scale2 = scale * LOG2E;
    u32 myK = base + K_AT + half * 64 * 128;
    u32 myV = base + V_AT + half * 64 * 128;
    // Where this thread's row lies in a tile of dS; its octets are swizzled by the row.
    u32 myDs = base + DS_AT + key * 128 + (thread & 3) * 4;
    u32 myDq = base + DQ_AT + half * (DQ_BYTES / 2) + thread * 16;
    u32 step = 0, count = 0;
    float dk[HEAD_DIM / 2], dv[HEAD_DIM / 2];

    for (int i = from; i < to; i++, count++) {
      KeyTile item = items[i];
#pragma unroll
      for (int c = 0; c < HEAD_DIM / 2; c++) dk[c] = dv[c] = 0;
      barrier_wait(barriers + 8 * KV_FULL, count & 1);
      for (int t = 0; t < item.tiles; t++, step++) {
        int stage = step % STAGES;
        u32 parity = (step / STAGES) & 1;
        u32 myQ = base + Q_AT + stage * Q_BYTES;
        u32 myDo = base + DO_AT + stage * Q_BYTES;
        float s[32], dp[32];
        u32 p[16], ds[16];
        barrier_wait(barriers + 8 * (Q_FULL + stage), parity);
        hold(s);
        wgmma_fence();
#pragma unroll
        for (int d = 0; d < HEAD_DIM / 16; d++) {
          u32 in = (d & 3) * 32;
          wgmma_ss_n64<0, 0>(s, descriptor(myK + (d >> 2) * BOX(KEYS) + in, 16, 1024),
                             descriptor(myQ + (d >> 2) * BOX(QUERIES) + in, 16, 1024), d > 0);
        }
        wgmma_commit();
        barrier_wait(barriers + 8 * (DO_FULL + stage), parity);
        hold(dp);
        wgmma_fence();
#pragma unroll
        for (int d = 0; d < HEAD_DIM / 16; d++) {
          u32 in = (d & 3) * 32;
          wgmma_ss_n64<0, 0>(dp, descriptor(myV + (d >> 2) * BOX(KEYS) + in, 16, 1024),
                             descriptor(myDo + (d >> 2) * BOX(QUERIES) + in, 16, 1024), d > 0);
        }
        wgmma_commit();
        wgmma_wait<1>();
        hold(s);
        u32 statistics = base + LSE_AT + stage * STATISTIC_BYTES + column * 4;
#pragma unroll
        for (int c = 0; c < 32; c += 4) {
          float l0, l1;
          asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(l0), "=f"(l1) : "r"(statistics + c * 8));
          s[c] = exp2_fast(fmaf(s[c], scale2, -l0));
          s[c + 1] = exp2_fast(fmaf(s[c + 1], scale2, -l1));
          s[c + 2] = exp2_fast(fmaf(s[c + 2], scale2, -l0));
          s[c + 3] = exp2_fast(fmaf(s[c + 3], scale2, -l1));
        }
        if (t < KEYS / QUERIES) {
#pragma unroll
          for (int c = 0; c < 32; c++) {
            int query = t * QUERIES + (c >> 2) * 8 + column + (c & 1);
            if (key + ((c & 2) ? 8 : 0) > query) s[c] = 0;
          }
        }
#pragma unroll
        for (int c = 0; c < 16; c++) p[c] = pack(s[2 * c], s[2 * c + 1]);
        wgmma_wait<0>();
        hold(dp);
        statistics = base + DELTA_AT + stage * STATISTIC_BYTES + column * 4;
#pragma unroll
        for (int c = 0; c < 32; c += 4) {
          float d0, d1;
          asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(d0), "=f"(d1) : "r"(statistics + c * 8));
          ds[c / 2] = pack(s[c] * (dp[c] - d0), s[c + 1] * (dp[c + 1] - d1));
          ds[c / 2 + 1] = pack(s[c + 2] * (dp[c + 2] - d0), s[c + 3] * (dp[c + 3] - d1));
        }
        hold(dv);
        wgmma_fence();
#pragma unroll
        for (int d = 0; d < QUERIES / 16; d++) {
          u64 b = descriptor(myDo + d * 16 * 128, BOX(QUERIES), 1024);
#if HEAD_DIM == 128
          wgmma_rs_n128<1>(dv, p + 4 * d, b, 1);
#else
          wgmma_rs_n64<1>(dv, p + 4 * d, b, 1);
#endif
        }
        wgmma_commit();
        u32 buffer = (step & 1) * DS_BYTES;
#pragma unroll
        for (int c = 0; c < 8; c++) {
          u32 octet = (u32)(c ^ (key & 7)) << 4;
          asm volatile("st.shared.u32 [%0], %1;" ::"r"(myDs + buffer + octet), "r"(ds[2 * c]) : "memory");
          asm volatile("st.shared.u32 [%0], %1;" ::"r"(myDs + buffer + octet + 8 * 128), "r"(ds[2 * c + 1]) : "memory");
        }
        fence_async_proxy();
        named_barrier(1, CONSUMERS);
        float dq[HEAD_DIM / 4];
        hold(dk);
        wgmma_fence();
#pragma unroll
        for (int d = 0; d < QUERIES / 16; d++) {
          u64 b = descriptor(myQ + d * 16 * 128, BOX(QUERIES), 1024);
#if HEAD_DIM == 128
          wgmma_rs_n128<1>(dk, ds + 4 * d, b, 1);
#else
          wgmma_rs_n64<1>(dk, ds + 4 * d, b, 1);
#endif
        }
        wgmma_commit();
        hold(dq);
        wgmma_fence();
#pragma unroll
        for (int d = 0; d < KEYS / 16; d++) {
          u64 a = descriptor(base + DS_AT + buffer + d * 16 * 128, 16, 1024);
#if HEAD_DIM == 128
          u64 b = descriptor(base + K_AT + half * BOX(KEYS) + d * 16 * 128, 16, 1024);
          wgmma_ss_n64<1, 1>(dq, a, b, d > 0);
#else
          u64 b = descriptor(base + K_AT + half * 64 + d * 16 * 128, 16, 1024);
          wgmma_ss_n32<1, 1>(dq, a, b, d > 0);
#endif
        }
        wgmma_commit();
        wgmma_wait<1>();
        hold(dk);
        hold(dv);
        barrier_arrive(barriers + 8 * (Q_EMPTY + stage));
        barrier_arrive(barriers + 8 * (DO_EMPTY + stage));
        wgmma_wait<0>();
        hold(dq);
        barrier_wait(barriers + 8 * DQ_EMPTY, (step & 1) ^ 1);
#pragma unroll
        for (int c = 0; c < HEAD_DIM / 4; c += 4) {
          asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(myDq + (c / 4) * 128 * 16),
                       "f"(dq[c]), "f"(dq[c + 1]), "f"(dq[c + 2]), "f"(dq[c + 3])
                       : "memory");
        }
        fence_async_proxy();
        barrier_arrive(barriers + 8 * DQ_FULL);
      }
      barrier_arrive(barriers + 8 * KV_EMPTY);

      long long token0 = (long long)item.key + key, token1 = token0 + 8;
      int at = (thread & 3) * 8;
      bf16* dk0 = dK + token0 * dKToken + item.head * dKHead + at;
      bf16* dv0 = dV + token0 * dVToken + item.head * dVHead + at;
#pragma unroll
      for (int c = 0; c < HEAD_DIM / 2; c += 16) {
        uint4 x0 = transpose_quad(
            pack(dk[c] * scale, dk[c + 1] * scale), pack(dk[c + 4] * scale, dk[c + 5] * scale),
            pack(dk[c + 8] * scale, dk[c + 9] * scale), pack(dk[c + 12] * scale, dk[c + 13] * scale));
        uint4 x1 = transpose_quad(
            pack(dk[c + 2] * scale, dk[c + 3] * scale), pack(dk[c + 6] * scale, dk[c + 7] * scale),
            pack(dk[c + 10] * scale, dk[c + 11] * scale), pack(dk[c + 14] * scale, dk[c + 15] * scale));
        uint4 y0 = transpose_quad(pack(dv[c], dv[c + 1]), pack(dv[c + 4], dv[c + 5]),
                                  pack(dv[c + 8], dv[c + 9]), pack(dv[c + 12], dv[c + 13]));
        uint4 y1 = transpose_quad(pack(dv[c + 2], dv[c + 3]), pack(dv[c + 6], dv[c + 7]),
                                  pack(dv[c + 10], dv[c + 11]), pack(dv[c + 14], dv[c + 15]));
        if (token0 < item.end) {
          *(uint4*)(dk0 + 2 * c) = x0;
          *(uint4*)(dv0 + 2 * c) = y0;
        }
        if (token1 < item.end) {
          *(uint4*)(dk0 + 8 * dKToken + 2 * c) = x1;
          *(uint4*)(dv0 + 8 * dVToken + 2 * c) = y1;
        }
      }
    }
  }
}

// Where the local part left component `dim` of row `row` of a query tile; the next one follows it.
__device__ __forceinline__ int dq_index(int row, int dim) {
  int half = dim / (HEAD_DIM / 2), in = dim % (HEAD_DIM / 2);
  int thread = (row / 16) * 32 + (row % 8) * 4 + (in % 8) / 2;
  return half * (DQ_FLOATS / 2) + (in / 8) * 512 + thread * 4 + ((row >> 3) & 1) * 2;
}

#define CHUNK 4

// A block of 256 threads a query block: dQ in bfloat16, and the block's share of the gradients of
// the sinks, four sinks at a time.
extern "C" __global__ void __launch_bounds__(256)
    attention_backward_queries(const QueryBlock* blocks, const QueryTile* tiles, const bf16* q,
                               long long qToken, long long qHead, const bf16* k, long long kToken,
                               long long kHead, const bf16* v, long long vToken, long long vHead,
                               const bf16* dOut, long long dOutToken, long long dOutHead,
                               const float* lse2, const float* delta, float* dQLocal, bf16* dQ,
                               long long dQToken, long long dQHead, float* partial,
                               int queriesPerKv, float scale) {
  __shared__ float keys[CHUNK][HEAD_DIM], values[CHUNK][HEAD_DIM];
  __shared__ float sums[8][HEAD_DIM];
  QueryBlock block = blocks[blockIdx.x];
  QueryTile first = tiles[block.tile];
  int lane = threadIdx.x % LANES;
  int dim = lane * LANE_DIMS;
  float scale2 = scale * LOG2E;
  int kv = first.head / queriesPerKv;
  int chunk = 0;
  do {
    int count = min(CHUNK, first.sinkCount - chunk);
    __syncthreads();
    for (int i = threadIdx.x; i < CHUNK * HEAD_DIM; i += 256) {
      int sink = i / HEAD_DIM, d = i % HEAD_DIM;
      long long token = first.sinkStart + chunk + sink;
      bool there = sink < count;
      keys[sink][d] = there ? low(k[token * kToken + kv * kHead + d]) : 0;
      values[sink][d] = there ? low(v[token * vToken + kv * vHead + d]) : 0;
    }
    __syncthreads();
    float dk[CHUNK][LANE_DIMS], dv[CHUNK][LANE_DIMS];
#pragma unroll
    for (int j = 0; j < CHUNK; j++) {
#pragma unroll
      for (int c = 0; c < LANE_DIMS; c++) dk[j][c] = dv[j][c] = 0;
    }
    bool last = chunk + CHUNK >= first.sinkCount;
    for (int t = 0; t < block.tiles; t++) {
      QueryTile tile = tiles[block.tile + t];
      float* local = dQLocal + (long long)(block.tile + t) * DQ_FLOATS;
      for (int r = threadIdx.x / LANES; r < QUERIES; r += 256 / LANES) {
        long long token = tile.query + r;
        // All lanes of a warp stay together for the sums; rows behind the end add nothing.
        bool valid = token < tile.end;
        float dq[LANE_DIMS];
#pragma unroll
        for (int c = 0; c < LANE_DIMS; c += 2) {
          float2 x = *(const float2*)(local + dq_index(r, dim + c));
          dq[c] = x.x;
          dq[c + 1] = x.y;
        }
        if (count > 0) {
          float a[LANE_DIMS], b[LANE_DIMS];
          if (valid) {
            load_row(a, q + token * qToken + first.head * qHead + dim);
            load_row(b, dOut + token * dOutToken + first.head * dOutHead + dim);
          } else {
#pragma unroll
            for (int c = 0; c < LANE_DIMS; c++) a[c] = b[c] = 0;
          }
          long long at = (long long)(block.tile + t) * QUERIES + r;
          float l = lse2[at], d = delta[at];
#pragma unroll
          for (int j = 0; j < CHUNK; j++) {
            if (j < count) {
              float s = 0, dp = 0;
#pragma unroll
              for (int c = 0; c < LANE_DIMS; c++) {
                s = fmaf(a[c], keys[j][dim + c], s);
                dp = fmaf(b[c], values[j][dim + c], dp);
              }
              s = sum_lanes(s);
              dp = sum_lanes(dp);
              float p = exp2_fast(fmaf(s, scale2, -l));
              float ds = p * (dp - d);
#pragma unroll
              for (int c = 0; c < LANE_DIMS; c++) {
                dq[c] = fmaf(ds, keys[j][dim + c], dq[c]);
                dk[j][c] = fmaf(ds, a[c], dk[j][c]);
                dv[j][c] = fmaf(p, b[c], dv[j][c]);
              }
            }
          }
        }
        if (!last) {
#pragma unroll
          for (int c = 0; c < LANE_DIMS; c += 2) {
            *(float2*)(local + dq_index(r, dim + c)) = make_float2(dq[c], dq[c + 1]);
          }
        } else if (valid) {
          uint4* into = (uint4*)(dQ + token * dQToken + first.head * dQHead + dim);
#pragma unroll
          for (int c = 0; c < LANE_DIMS; c += 8) {
            into[c / 8] = make_uint4(pack(dq[c] * scale, dq[c + 1] * scale),
                                     pack(dq[c + 2] * scale, dq[c + 3] * scale),
                                     pack(dq[c + 4] * scale, dq[c + 5] * scale),
                                     pack(dq[c + 6] * scale, dq[c + 7] * scale));
          }
        }
      }
    }
    // The block's sums: over the rows of a warp, then over the warps in their order.
#pragma unroll
    for (int j = 0; j < CHUNK; j++) {
      if (j < count) {
#pragma unroll
        for (int which = 0; which < 2; which++) {
#pragma unroll
          for (int c = 0; c < LANE_DIMS; c++) {
            float x = which ? dv[j][c] : dk[j][c];
#pragma unroll
            for (int other = LANES; other < 32; other *= 2) {
              x += __shfl_xor_sync(0xFFFFFFFF, x, other);
            }
            if ((threadIdx.x & 31) < LANES) sums[threadIdx.x / 32][dim + c] = x;
          }
          __syncthreads();
          for (int d = threadIdx.x; d < HEAD_DIM; d += 256) {
            float x = 0;
            for (int w = 0; w < 8; w++) x += sums[w][d];
            partial[(long long)(block.partial + 2 * (chunk + j) + which) * HEAD_DIM + d] = x;
          }
          __syncthreads();
        }
      }
    }
    chunk += CHUNK;
  } while (chunk < first.sinkCount);
}

// dX[token, kvHead] = Σ over its query heads of perHead[token, head]; perHead is [tokens, heads,
// HEAD_DIM]. One thread 8 components.
extern "C" __global__ void __launch_bounds__(256)
    attention_backward_group_sums(const bf16* perHead, bf16* dX, long long dXToken,
                                  long long dXHead, long long tokens, int kvHeads,
                                  int queriesPerKv) {
  const int octets = HEAD_DIM / 8;
  long long i = (long long)blockIdx.x * 256 + threadIdx.x;
  if (i >= tokens * kvHeads * octets) return;
  int octet = (int)(i % octets);
  int kv = (int)(i / octets % kvHeads);
  long long token = i / octets / kvHeads;
  float x[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  for (int r = 0; r < queriesPerKv; r++) {
    uint4 y = *(const uint4*)(perHead + ((token * kvHeads + kv) * queriesPerKv + r) * HEAD_DIM + octet * 8);
    x[0] += low(y.x);
    x[1] += high(y.x);
    x[2] += low(y.y);
    x[3] += high(y.y);
    x[4] += low(y.z);
    x[5] += high(y.z);
    x[6] += low(y.w);
    x[7] += high(y.w);
  }
  *(uint4*)(dX + token * dXToken + kv * dXHead + octet * 8) =
      make_uint4(pack(x[0], x[1]), pack(x[2], x[3]), pack(x[4], x[5]), pack(x[6], x[7]));
}

// Adds the sums of the query blocks to the sinks' rows of dK and dV. A block of HEAD_DIM threads a
// sink: x the entry, y the sink.
extern "C" __global__ void __launch_bounds__(HEAD_DIM)
    attention_backward_sinks(const SinkRows* rows, const int* list, const QueryBlock* blocks,
                             const QueryTile* tiles, const float* partial, bf16* dK,
                             long long dKToken, long long dKHead, bf16* dV, long long dVToken,
                             long long dVHead, float scale) {
  SinkRows entry = rows[blockIdx.x];
  int sink = blockIdx.y;
  if (sink >= entry.sinkCount) return;
  float sumK = 0, sumV = 0;
  for (int i = entry.from; i < entry.to; i++) {
    QueryBlock block = blocks[list[i]];
    if (sink < tiles[block.tile].sinkCount) {
      const float* from = partial + (long long)(block.partial + 2 * sink) * HEAD_DIM + threadIdx.x;
      sumK += from[0];
      sumV += from[HEAD_DIM];
    }
  }
  long long token = entry.sinkStart + sink;
  bf16* k = dK + token * dKToken + entry.kvHead * dKHead + threadIdx.x;
  bf16* v = dV + token * dVToken + entry.kvHead * dVHead + threadIdx.x;
  *k = (bf16)pack(fmaf(sumK, scale, low(*k)), 0);
  *v = (bf16)pack(low(*v) + sumV, 0);
}
