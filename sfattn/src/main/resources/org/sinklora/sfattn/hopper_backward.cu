// Attention backward on Hopper's tensor cores, bfloat16 in, float32 sums: head dim 64 or 128.
//
//   P = exp(scale · q·k − logSumExp), dS = P ∘ (dOut·v − Δ), Δ(i) = Σ_d dOut(i,d) · out(i,d)
//   dV = Pᵀ dOut, dK = scale · dSᵀ q, dQ = scale · dS k
//
// Five kernels: Δ and the softmax statistics tile by tile; the local part; dQ to bfloat16 together
// with what the sinks add to it; the sums over the query heads of a kv head; the sinks' own
// gradients.
//
// The local part: one block a multiprocessor takes item after item off a list (128 keys of a
// segment of a head, against all later queries of the segment in tiles of 64). Scores are computed
// transposed, so that P and dS feed dV and dK from registers. dQ leaves tile by tile in float32
// and is summed in memory in a fixed order: the key tile on the diagonal first, then the earlier
// ones. A counter for each query tile says whose turn it is. An item waits for earlier ones of the
// list alone: the earliest that is not done waits for nobody.
//
// ptxas must not report C7512 (products made to wait for each other for want of registers):
// consumers have 240, which is all that two groups of them and one of 24 can have.
//
// History (H100, T 8,192, G 2,048, 32 heads of 128; forward and backward together)
//   1. 64 queries × 128 keys, two consumer warpgroups, dS in shared memory twice, so that a step
//      needs one barrier; items dealt out beforehand; the sinks by 16 threads a row: 1.53 ms.
//   2. The sinks' products by mma.sync, 4 tiles a block (0.28 -> 0.14 ms): 1.39 ms.
//   3. 240 registers in place of 232, which had made the products wait for each other; items taken
//      when a block is free, short segments last; two buffers for dQ: 1.33 ms.
//   4. A warp for each of these buffers, since handing over took as long as a step: 1.24 ms; if
//      nobody waited for a turn, 1.15 ms. One fence fewer in handing over: 1.19 ms.
//   5. dK before dQ, or the next step's scores asked for before dQ is handed over (with dSᵀ for dK
//      read from shared memory): the same as 4 within the noise, not kept.
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
#define DQ_BUFFERS 2
#define STATISTIC_BYTES (QUERIES * 4)
#define K_AT 0
#define V_AT (K_AT + KV_BYTES)
#define Q_AT (V_AT + KV_BYTES)
#define DO_AT (Q_AT + STAGES * Q_BYTES)
#define DS_AT (DO_AT + STAGES * Q_BYTES)
#define DQ_AT (DS_AT + 2 * DS_BYTES)
#define LSE_AT (DQ_AT + DQ_BUFFERS * DQ_BYTES)
#define DELTA_AT (LSE_AT + STAGES * STATISTIC_BYTES)
#define BARRIERS_AT (DELTA_AT + STAGES * STATISTIC_BYTES)

#define KV_FULL 0
#define KV_EMPTY 1
#define DQ_FULL 2
#define DQ_EMPTY (DQ_FULL + DQ_BUFFERS)
#define Q_FULL (DQ_EMPTY + DQ_BUFFERS)
#define Q_EMPTY (Q_FULL + STAGES)
#define DO_FULL (Q_EMPTY + STAGES)
#define DO_EMPTY (DO_FULL + STAGES)
#define ITEM_AT (BARRIERS_AT + 8 * (DO_EMPTY + STAGES))

// 64 queries of a segment of a head.
struct QueryTile {
  int head, query, end, sinkStart, sinkCount, unused0, unused1, unused2;
};

// 128 keys of a segment of a head; tile: number of the query tile that begins with the same token.
struct KeyTile {
  int head, key, end, tile, tiles, unused0, unused1, unused2;
};

// Up to 4 query tiles behind each other, of one head and with the same sinks; partial: where its
// sums for the sinks begin, in rows of HEAD_DIM floats: dK and dV of each sink in turn.
struct QueryBlock {
  int tile, tiles, partial, unused;
};

// The sinks of a document in a kv head: blocks[from … to) of the list hold their sums.
struct SinkRows {
  int kvHead, sinkStart, sinkCount, from, to, unused0, unused1, unused2;
};

// The item that a block works on, from the warp that takes it to the others.
__device__ __forceinline__ void put_item(u32 at, KeyTile item) {
  asm volatile("st.shared.v4.s32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(item.head), "r"(item.key),
               "r"(item.end), "r"(item.tile)
               : "memory");
  asm volatile("st.shared.s32 [%0], %1;" ::"r"(at + 16), "r"(item.tiles) : "memory");
}

__device__ __forceinline__ int get_tiles(u32 at) {
  int tiles;
  asm volatile("ld.shared.s32 %0, [%1];" : "=r"(tiles) : "r"(at + 16) : "memory");
  return tiles;
}

__device__ __forceinline__ KeyTile get_item(u32 at) {
  KeyTile item;
  asm volatile("ld.shared.v4.s32 {%0, %1, %2, %3}, [%4];"
               : "=r"(item.head), "=r"(item.key), "=r"(item.end), "=r"(item.tile)
               : "r"(at)
               : "memory");
  item.tiles = get_tiles(at);
  return item;
}

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
                                  float* lse2, float* delta, int* turns, int* nextItem) {
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
  if (threadIdx.x == 0) {
    turns[blockIdx.x] = 0;
    if (blockIdx.x == 0) *nextItem = 0;
  }
}

extern "C" __global__ void __launch_bounds__(384, 1) attention_backward(
    const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap dO,
    const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v, const KeyTile* items,
    int itemCount, int* nextItem, const float* lse2, const float* delta, float* dQ, int* turns, bf16* dK,
    long long dKToken, long long dKHead, bf16* dV, long long dVToken, long long dVHead,
    int queriesPerKv, int qHead, int dOHead, int kHead, int vHead, float scale) {
  extern __shared__ unsigned char raw[];
  u32 base = (shared_address(raw) + 1023) & ~1023u;
  u32 barriers = base + BARRIERS_AT;
  int group = threadIdx.x / 128;
  if (threadIdx.x == 0) {
    barrier_init(barriers + 8 * KV_FULL, 1);
    barrier_init(barriers + 8 * KV_EMPTY, CONSUMERS + DQ_BUFFERS);
    for (int i = 0; i < DQ_BUFFERS; i++) {
      barrier_init(barriers + 8 * (DQ_FULL + i), CONSUMERS);
      barrier_init(barriers + 8 * (DQ_EMPTY + i), 1);
    }
    for (int i = 0; i < STAGES; i++) {
      barrier_init(barriers + 8 * (Q_FULL + i), 1);
      barrier_init(barriers + 8 * (Q_EMPTY + i), CONSUMERS);
      barrier_init(barriers + 8 * (DO_FULL + i), 1);
      barrier_init(barriers + 8 * (DO_EMPTY + i), CONSUMERS);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();

  if (group == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 0) {
      u32 step = 0, count = 0;
      for (;; count++) {
        // Not earlier: an item that is taken must soon begin, since others wait for it.
        int i = atomicAdd(nextItem, 1);
        barrier_wait(barriers + 8 * KV_EMPTY, (count & 1) ^ 1);
        if (i >= itemCount) {
          put_item(base + ITEM_AT, {0, 0, 0, 0, 0});
          barrier_arrive(barriers + 8 * KV_FULL);
          break;
        }
        KeyTile item = items[i];
        put_item(base + ITEM_AT, item);
        int kv = item.head / queriesPerKv;
        barrier_expect(barriers + 8 * KV_FULL, 2 * KV_BYTES);
        for (int box = 0; box < BOXES; box++) {
          tma_load(base + K_AT + box * BOX(KEYS), &k, kv * kHead + box * 64, item.key,
                   barriers + 8 * KV_FULL);
          tma_load(base + V_AT + box * BOX(KEYS), &v, kv * vHead + box * 64, item.key,
                   barriers + 8 * KV_FULL);
        }
#pragma unroll 1
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
    } else if (threadIdx.x % 32 == 0 && threadIdx.x / 32 <= DQ_BUFFERS) {
      // Hands a buffer of dQ to memory, in its turn.
      u32 buffer = threadIdx.x / 32 - 1;
      u32 mine = base + DQ_AT + buffer * DQ_BYTES;
      u32 step = 0;
      for (u32 count = 0;; count++) {
        barrier_wait(barriers + 8 * KV_FULL, count & 1);
        KeyTile item = get_item(base + ITEM_AT);
        if (item.tiles == 0) break;
        barrier_arrive(barriers + 8 * KV_EMPTY);
#pragma unroll 1
        for (int t = 0; t < item.tiles; t++, step++) {
          if (step % DQ_BUFFERS != buffer) continue;
          int turn = t / (KEYS / QUERIES);
          int* counter = turns + item.tile + t;
          float* into = dQ + (long long)(item.tile + t) * DQ_FLOATS;
          barrier_wait(barriers + 8 * (DQ_FULL + buffer), (step / DQ_BUFFERS) & 1);
          if (turn == 0) {
            asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(into),
                         "r"(mine), "r"(DQ_BYTES)
                         : "memory");
          } else {
            int reached;
            do {
              asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(reached) : "l"(counter) : "memory");
            } while (reached < turn);
            asm volatile("fence.proxy.async;" ::: "memory");
            asm volatile(
                "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(into),
                "r"(mine), "r"(DQ_BYTES)
                : "memory");
          }
          asm volatile("cp.async.bulk.commit_group;" ::: "memory");
          asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
          barrier_arrive(barriers + 8 * (DQ_EMPTY + buffer));
          asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
          asm volatile("fence.proxy.async;" ::: "memory");
          asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(counter), "r"(turn + 1) : "memory");
        }
      }
    }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
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

    for (;; count++) {
#pragma unroll
      for (int c = 0; c < HEAD_DIM / 2; c++) dk[c] = dv[c] = 0;
      barrier_wait(barriers + 8 * KV_FULL, count & 1);
      int tiles = get_tiles(base + ITEM_AT);
      if (tiles == 0) break;
      for (int t = 0; t < tiles; t++, step++) {
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
        wgmma_wait<0>();
        hold(dp);
        statistics = base + DELTA_AT + stage * STATISTIC_BYTES + column * 4;
#pragma unroll
        for (int c = 0; c < 32; c += 4) {
          float d0, d1;
          asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(d0), "=f"(d1) : "r"(statistics + c * 8));
          p[c / 2] = pack(s[c], s[c + 1]);
          p[c / 2 + 1] = pack(s[c + 2], s[c + 3]);
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
        wgmma_wait<1>();
        hold(dv);
        hold(dq);
        int free = step % DQ_BUFFERS;
        barrier_wait(barriers + 8 * (DQ_EMPTY + free), ((step / DQ_BUFFERS) & 1) ^ 1);
#pragma unroll
        for (int c = 0; c < HEAD_DIM / 4; c += 4) {
          asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(myDq + free * DQ_BYTES + (c / 4) * 128 * 16),
                       "f"(dq[c]), "f"(dq[c + 1]), "f"(dq[c + 2]), "f"(dq[c + 3])
                       : "memory");
        }
        fence_async_proxy();
        barrier_arrive(barriers + 8 * (DQ_FULL + free));
        wgmma_wait<0>();
        hold(dk);
        barrier_arrive(barriers + 8 * (Q_EMPTY + stage));
        barrier_arrive(barriers + 8 * (DO_EMPTY + stage));
      }
      // Only now: the steps need every register.
      KeyTile item = get_item(base + ITEM_AT);
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

// Sinks of a pass: the columns of mma.sync.
#define SINKS 8
#define SINK_WARPS (QUERIES / 16)
#define OCTETS (HEAD_DIM / 8)
// Each lane of four takes 8 dims of 32; a product over dims may take them in any order.
#define SLICES (HEAD_DIM / 32)
// 16 bytes more, so that 8 rows lie in different banks.
#define SINK_STRIDE (HEAD_DIM + 8)

// D[16,8] += A[16,16] · B[16,8]; the registers of A and B as mma.sync has them.
__device__ __forceinline__ void mma_k16(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0,
                                        u32 b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// D[16,8] += A[16,8] · B[8,8].
__device__ __forceinline__ void mma_k8(float (&d)[4], u32 a0, u32 a1, u32 b0) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(b0));
}

// The transpose of 8 × 8 bf16 that the warp holds, two of row lane / 4 a lane.
__device__ __forceinline__ u32 transpose_8x8(u32 x) {
  u32 r;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(x));
  return r;
}

// sums[tile] += Xᵀ Y for 16 rows: X[row, dim] as loaded (upper and lower rows), Y[row, sink]
// transposed. The rows of such a sum are dims in the order of sink_dim.
__device__ __forceinline__ void add_products(float (&sums)[2 * SLICES][4],
                                             const uint4 (&upper)[SLICES],
                                             const uint4 (&lower)[SLICES], u32 y0, u32 y1) {
#pragma unroll
  for (int i = 0; i < SLICES; i++) {
    mma_k16(sums[2 * i], transpose_8x8(upper[i].x), transpose_8x8(upper[i].y),
            transpose_8x8(lower[i].x), transpose_8x8(lower[i].y), y0, y1);
    mma_k16(sums[2 * i + 1], transpose_8x8(upper[i].z), transpose_8x8(upper[i].w),
            transpose_8x8(lower[i].z), transpose_8x8(lower[i].w), y0, y1);
  }
}

// The dim of row `row` < 8 of a tile of add_products; row + 8 is two dims further.
__device__ __forceinline__ int sink_dim(int tile, int row) {
  return tile / 2 * 32 + row / 2 * 8 + (tile & 1) * 4 + (row & 1);
}

// Adds the warps' sums in their order and leaves them for attention_backward_sinks.
__device__ __forceinline__ void leave_sums(float (&buffer)[SINK_WARPS][SINKS][HEAD_DIM],
                                           const float (&sums)[2 * SLICES][4], int count,
                                           float* partial) {
  int warp = threadIdx.x / 32, row = (threadIdx.x & 31) / 4, sink = 2 * (threadIdx.x & 3);
  __syncthreads();
#pragma unroll
  for (int tile = 0; tile < 2 * SLICES; tile++) {
    int dim = sink_dim(tile, row);
    buffer[warp][sink][dim] = sums[tile][0];
    buffer[warp][sink + 1][dim] = sums[tile][1];
    buffer[warp][sink][dim + 2] = sums[tile][2];
    buffer[warp][sink + 1][dim + 2] = sums[tile][3];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < count * HEAD_DIM; i += 32 * SINK_WARPS) {
    int j = i / HEAD_DIM, dim = i % HEAD_DIM;
    float x = 0;
#pragma unroll
    for (int w = 0; w < SINK_WARPS; w++) x += buffer[w][j][dim];
    partial[(long long)2 * j * HEAD_DIM + dim] = x;
  }
}

// A block of 4 warps a query block, 16 rows of a tile a warp: dQ in bfloat16, and the block's share
// of the gradients of the sinks, eight sinks at a time. What the local part left of dQ lies as
// the sums of mma.sync do.
extern "C" __global__ void __launch_bounds__(32 * SINK_WARPS, 3)
    attention_backward_queries(const QueryBlock* blocks, const QueryTile* tiles, const bf16* q,
                               long long qToken, long long qHead, const bf16* k, long long kToken,
                               long long kHead, const bf16* v, long long vToken, long long vHead,
                               const bf16* dOut, long long dOutToken, long long dOutHead,
                               const float* lse2, const float* delta, float* dQLocal, bf16* dQ,
                               long long dQToken, long long dQHead, float* partial,
                               int queriesPerKv, float scale) {
  __shared__ __align__(16) bf16 keys[SINKS][SINK_STRIDE], values[SINKS][SINK_STRIDE];
  __shared__ float buffer[SINK_WARPS][SINKS][HEAD_DIM];
  QueryBlock block = blocks[blockIdx.x];
  QueryTile first = tiles[block.tile];
  int lane = threadIdx.x & 31, quarter = lane & 3;
  int row = threadIdx.x / 32 * 16 + lane / 4;
  float scale2 = scale * LOG2E;
  int kv = first.head / queriesPerKv;
  int chunk = 0;
  do {
    int count = min(SINKS, first.sinkCount - chunk);
    __syncthreads();
    for (int i = threadIdx.x; i < SINKS * OCTETS; i += 32 * SINK_WARPS) {
      int sink = i / OCTETS, dim = i % OCTETS * 8;
      long long token = first.sinkStart + chunk + sink;
      uint4 x = make_uint4(0, 0, 0, 0), y = x;
      if (sink < count) {
        x = *(const uint4*)(k + token * kToken + kv * kHead + dim);
        y = *(const uint4*)(v + token * vToken + kv * vHead + dim);
      }
      *(uint4*)&keys[sink][dim] = x;
      *(uint4*)&values[sink][dim] = y;
    }
    __syncthreads();
    float dk[2 * SLICES][4], dv[2 * SLICES][4];
#pragma unroll
    for (int i = 0; i < 2 * SLICES; i++) {
#pragma unroll
      for (int c = 0; c < 4; c++) dk[i][c] = dv[i][c] = 0;
    }
    bool last = chunk + SINKS >= first.sinkCount;
    for (int t = 0; t < block.tiles; t++) {
      QueryTile tile = tiles[block.tile + t];
      float* local = dQLocal + (long long)(block.tile + t) * DQ_FLOATS + threadIdx.x * 4;
      long long token0 = tile.query + row, token1 = token0 + 8;
      bool valid0 = token0 < tile.end, valid1 = token1 < tile.end;
      u32 ds0 = 0, ds1 = 0;
      if (count > 0) {
        uint4 q0[SLICES], q1[SLICES], g0[SLICES], g1[SLICES];
        const bf16* fromQ = q + token0 * qToken + tile.head * qHead + quarter * 8;
        const bf16* fromG = dOut + token0 * dOutToken + tile.head * dOutHead + quarter * 8;
        uint4 zero = make_uint4(0, 0, 0, 0);
#pragma unroll
        for (int i = 0; i < SLICES; i++) {
          q0[i] = valid0 ? *(const uint4*)(fromQ + i * 32) : zero;
          q1[i] = valid1 ? *(const uint4*)(fromQ + 8 * qToken + i * 32) : zero;
          g0[i] = valid0 ? *(const uint4*)(fromG + i * 32) : zero;
          g1[i] = valid1 ? *(const uint4*)(fromG + 8 * dOutToken + i * 32) : zero;
        }
        long long at = (long long)(block.tile + t) * QUERIES + row;
        float l0 = lse2[at], l1 = lse2[at + 8], d0 = delta[at], d1 = delta[at + 8];
        float s[4] = {0, 0, 0, 0}, dp[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < SLICES; i++) {
          uint4 x = *(const uint4*)&keys[lane / 4][i * 32 + quarter * 8];
          mma_k16(s, q0[i].x, q1[i].x, q0[i].y, q1[i].y, x.x, x.y);
          mma_k16(s, q0[i].z, q1[i].z, q0[i].w, q1[i].w, x.z, x.w);
          uint4 y = *(const uint4*)&values[lane / 4][i * 32 + quarter * 8];
          mma_k16(dp, g0[i].x, g1[i].x, g0[i].y, g1[i].y, y.x, y.y);
          mma_k16(dp, g0[i].z, g1[i].z, g0[i].w, g1[i].w, y.z, y.w);
        }
        bool there0 = 2 * quarter < count, there1 = 2 * quarter + 1 < count;
        s[0] = there0 ? exp2_fast(fmaf(s[0], scale2, -l0)) : 0;
        s[1] = there1 ? exp2_fast(fmaf(s[1], scale2, -l0)) : 0;
        s[2] = there0 ? exp2_fast(fmaf(s[2], scale2, -l1)) : 0;
        s[3] = there1 ? exp2_fast(fmaf(s[3], scale2, -l1)) : 0;
        ds0 = pack(s[0] * (dp[0] - d0), s[1] * (dp[1] - d0));
        ds1 = pack(s[2] * (dp[2] - d1), s[3] * (dp[3] - d1));
        add_products(dk, q0, q1, transpose_8x8(ds0), transpose_8x8(ds1));
        add_products(dv, g0, g1, transpose_8x8(pack(s[0], s[1])), transpose_8x8(pack(s[2], s[3])));
      }
      bf16* into = dQ + token0 * dQToken + tile.head * dQHead + quarter * 8;
#pragma unroll
      for (int o = 0; o < OCTETS; o += 4) {
        // An octet of dims is 512 floats of the tile, 4 a thread; its halves lie behind each other.
        float dq[4][4];
#pragma unroll
        for (int c = 0; c < 4; c++) {
          float4 x = *(const float4*)(local + (o + c) * 512);
          dq[c][0] = x.x;
          dq[c][1] = x.y;
          dq[c][2] = x.z;
          dq[c][3] = x.w;
        }
        if (count > 0) {
          u32 k0, k1, k2, k3;
          asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                       : "=r"(k0), "=r"(k1), "=r"(k2), "=r"(k3)
                       : "r"(shared_address(&keys[lane & 7][(o + lane / 8) * 8])));
          mma_k8(dq[0], ds0, ds1, k0);
          mma_k8(dq[1], ds0, ds1, k1);
          mma_k8(dq[2], ds0, ds1, k2);
          mma_k8(dq[3], ds0, ds1, k3);
        }
        if (last) {
          u32 x[4], y[4];
#pragma unroll
          for (int c = 0; c < 4; c++) {
            x[c] = pack(dq[c][0] * scale, dq[c][1] * scale);
            y[c] = pack(dq[c][2] * scale, dq[c][3] * scale);
          }
          uint4 upper = transpose_quad(x[0], x[1], x[2], x[3]);
          uint4 lower = transpose_quad(y[0], y[1], y[2], y[3]);
          if (valid0) *(uint4*)(into + o * 8) = upper;
          if (valid1) *(uint4*)(into + 8 * dQToken + o * 8) = lower;
        } else {
#pragma unroll
          for (int c = 0; c < 4; c++) {
            *(float4*)(local + (o + c) * 512) =
                make_float4(dq[c][0], dq[c][1], dq[c][2], dq[c][3]);
          }
        }
      }
    }
    if (count > 0) {
      float* into = partial + (long long)(block.partial + 2 * chunk) * HEAD_DIM;
      leave_sums(buffer, dk, count, into);
      leave_sums(buffer, dv, count, into + HEAD_DIM);
    }
    chunk += SINKS;
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
