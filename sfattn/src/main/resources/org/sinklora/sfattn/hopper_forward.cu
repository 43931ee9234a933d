// Attention forward on Hopper's tensor cores, bfloat16 in, float32 sums: head dim 64 or 128.
//
//   out(i, h) = Σ_j softmax_j(scale · q(i, h) · k(j)) · v(j) over the sinks and the local keys of
//   i's segment up to i; logSumExp(i, h) for the backward. Scores never leave the registers.
//
// One block a multiprocessor works through a list of items (128 queries of a segment of a head):
// one warp fetches by TMA, two warpgroups compute 64 queries each. While a warpgroup's P·V of one
// key tile runs on the tensor cores, its softmax of the next runs beside it.
//
// History
//   1. Two consumer warpgroups, 128 keys a tile, two stages, sinks as a 16-key product of their own
//      (a whole tile for four sinks cost 12 % at 16 tiles a segment).
//
// requires: sm_90a
// follows: hopper.cuh

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
#define QUERIES 128
#define KEYS 128
#define STAGES 2
#define BOXES (HEAD_DIM / 64)
#define SINKS 16
#define CONSUMERS 256

// Bytes of a box of `rows` rows.
#define BOX(rows) ((rows) * 128)

#define Q_BYTES (QUERIES * HEAD_DIM * 2)
#define KV_BYTES (KEYS * HEAD_DIM * 2)
#define SINK_BYTES (SINKS * HEAD_DIM * 2)
#define Q_AT 0
#define K_AT (Q_AT + Q_BYTES)
#define V_AT (K_AT + STAGES * KV_BYTES)
#define KS_AT (V_AT + STAGES * KV_BYTES)
#define VS_AT (KS_AT + SINK_BYTES)
#define BARRIERS_AT (VS_AT + SINK_BYTES)

// Barriers, 8 bytes each.
#define Q_FULL 0
#define Q_EMPTY 1
#define S_FULL 2
#define S_EMPTY 3
#define K_FULL 4
#define K_EMPTY (K_FULL + STAGES)
#define V_FULL (K_EMPTY + STAGES)
#define V_EMPTY (V_FULL + STAGES)
#define BARRIERS (V_EMPTY + STAGES)

struct Item {
  int head, query, segment, end;     // head; first query; first and end of the segment's tokens
  int sinkStart, sinkCount, unused0, unused1;
};

template <int N>
__device__ __forceinline__ void multiply_p_v(float (&o)[N], const u32* p, u32 v) {
  // V lies [key][dim]: its rows run along the instruction's N.
#pragma unroll
  for (int step = 0; step < KEYS / 16; step++) {
    u64 b = descriptor(v + step * 16 * 128, BOX(KEYS), 1024);
#if HEAD_DIM == 128
    wgmma_rs_n128<1>(o, p + 4 * step, b, 1);
#else
    wgmma_rs_n64<1>(o, p + 4 * step, b, 1);
#endif
  }
}

__device__ __forceinline__ void multiply_q_k(float (&s)[64], u32 q, u32 k) {
#pragma unroll
  for (int step = 0; step < HEAD_DIM / 16; step++) {
    u32 in = (step & 3) * 32;
    u64 a = descriptor(q + (step >> 2) * BOX(QUERIES) + in, 16, 1024);
    u64 b = descriptor(k + (step >> 2) * BOX(KEYS) + in, 16, 1024);
    wgmma_ss_n128<0, 0>(s, a, b, step > 0);
  }
}

// Largest of a row's N/2 values that this thread and its three neighbours hold; row 0 or 1.
template <int N>
__device__ __forceinline__ float row_max(const float (&s)[N], int row, float m) {
#pragma unroll
  for (int i = 0; i < N; i += 4) m = fmaxf(m, fmaxf(s[i + 2 * row], s[i + 2 * row + 1]));
  m = fmaxf(m, __shfl_xor_sync(0xFFFFFFFF, m, 1));
  return fmaxf(m, __shfl_xor_sync(0xFFFFFFFF, m, 2));
}

// s becomes exp2(s · scale − m · scale); returns this thread's share of the row's sum.
template <int N>
__device__ __forceinline__ float exponentials(float (&s)[N], int row, float m, float scale) {
  float sum = 0;
  float offset = m * scale;
#pragma unroll
  for (int i = 0; i < N; i += 4) {
    s[i + 2 * row] = exp2_fast(fmaf(s[i + 2 * row], scale, -offset));
    s[i + 2 * row + 1] = exp2_fast(fmaf(s[i + 2 * row + 1], scale, -offset));
    sum += s[i + 2 * row] + s[i + 2 * row + 1];
  }
  return sum;
}

// items: sorted by block; offsets[b] … offsets[b + 1] are those of block b. The tensor maps start
// at component 0 of head 0; columns count from there.
extern "C" __global__ void __launch_bounds__(384, 1)
    attention_forward(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k,
                      const __grid_constant__ TensorMap v, const __grid_constant__ TensorMap kSinks,
                      const __grid_constant__ TensorMap vSinks, const Item* items,
                      const int* offsets, bf16* out, long long outToken, long long outHead,
                      float* logSumExp, int heads, int queriesPerKv, int qHead, int kHead,
                      int vHead, float scale) {
  extern __shared__ unsigned char raw[];
  u32 base = (shared_address(raw) + 1023) & ~1023u;
  u32 barriers = base + BARRIERS_AT;
  int group = threadIdx.x / 128;
  if (threadIdx.x == 0) {
    barrier_init(barriers + 8 * Q_FULL, 1);
    barrier_init(barriers + 8 * Q_EMPTY, CONSUMERS);
    barrier_init(barriers + 8 * S_FULL, 1);
    barrier_init(barriers + 8 * S_EMPTY, CONSUMERS);
    for (int i = 0; i < STAGES; i++) {
      barrier_init(barriers + 8 * (K_FULL + i), 1);
      barrier_init(barriers + 8 * (K_EMPTY + i), CONSUMERS);
      barrier_init(barriers + 8 * (V_FULL + i), 1);
      barrier_init(barriers + 8 * (V_EMPTY + i), CONSUMERS);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  int from = offsets[blockIdx.x], to = offsets[blockIdx.x + 1];

  if (group == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 0) {
      u32 tile = 0, chunk = 0, count = 0;
      for (int i = from; i < to; i++, count++) {
        Item item = items[i];
        int kv = item.head / queriesPerKv;
        barrier_wait(barriers + 8 * Q_EMPTY, (count & 1) ^ 1);
        barrier_expect(barriers + 8 * Q_FULL, Q_BYTES);
        for (int box = 0; box < BOXES; box++) {
          tma_load(base + Q_AT + box * BOX(QUERIES), &q, item.head * qHead + box * 64, item.query,
                   barriers + 8 * Q_FULL);
        }
        for (int s = 0; s < item.sinkCount; s += SINKS, chunk++) {
          barrier_wait(barriers + 8 * S_EMPTY, (chunk & 1) ^ 1);
          barrier_expect(barriers + 8 * S_FULL, 2 * SINK_BYTES);
          for (int box = 0; box < BOXES; box++) {
            tma_load(base + KS_AT + box * BOX(SINKS), &kSinks, kv * kHead + box * 64,
                     item.sinkStart + s, barriers + 8 * S_FULL);
            tma_load(base + VS_AT + box * BOX(SINKS), &vSinks, kv * vHead + box * 64,
                     item.sinkStart + s, barriers + 8 * S_FULL);
          }
        }
        for (int j = item.query; j >= item.segment; j -= KEYS, tile++) {
          int stage = tile % STAGES;
          u32 parity = ((tile / STAGES) & 1) ^ 1;
          barrier_wait(barriers + 8 * (K_EMPTY + stage), parity);
          barrier_expect(barriers + 8 * (K_FULL + stage), KV_BYTES);
          for (int box = 0; box < BOXES; box++) {
            tma_load(base + K_AT + stage * KV_BYTES + box * BOX(KEYS), &k, kv * kHead + box * 64, j,
                     barriers + 8 * (K_FULL + stage));
          }
          barrier_wait(barriers + 8 * (V_EMPTY + stage), parity);
          barrier_expect(barriers + 8 * (V_FULL + stage), KV_BYTES);
          for (int box = 0; box < BOXES; box++) {
            tma_load(base + V_AT + stage * KV_BYTES + box * BOX(KEYS), &v, kv * vHead + box * 64, j,
                     barriers + 8 * (V_FULL + stage));
          }
        }
      }
    }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    int thread = threadIdx.x & 127;
    int firstRow = (group - 1) * 64;
    // The two rows of this thread in the tile: row and row + 8.
    int row = firstRow + (thread / 32) * 16 + (thread & 31) / 4;
    int column = 2 * (thread & 3);
    float scale2 = scale * LOG2E;
    u32 myQ = base + Q_AT + firstRow * 128;
    u32 tile = 0, chunk = 0, count = 0;
    float s[64], o[HEAD_DIM / 2];
    u32 p[32];

    for (int i = from; i < to; i++, count++) {
      Item item = items[i];
      float m0 = -INFINITY, m1 = -INFINITY, l0 = 0, l1 = 0;
#pragma unroll
      for (int c = 0; c < HEAD_DIM / 2; c++) o[c] = 0;
      barrier_wait(barriers + 8 * Q_FULL, count & 1);

      for (int at = 0; at < item.sinkCount; at += SINKS, chunk++) {
        float t[8];
        barrier_wait(barriers + 8 * S_FULL, chunk & 1);
        hold(t);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < HEAD_DIM / 16; step++) {
          u32 in = (step & 3) * 32;
          u64 a = descriptor(myQ + (step >> 2) * BOX(QUERIES) + in, 16, 1024);
          u64 b = descriptor(base + KS_AT + (step >> 2) * BOX(SINKS) + in, 16, 1024);
          wgmma_ss_n16<0, 0>(t, a, b, step > 0);
        }
        wgmma_commit();
        wgmma_wait<0>();
        hold(t);
#pragma unroll
        for (int c = 0; c < 8; c++) {
          int sink = at + (c >> 2) * 8 + column + (c & 1);
          if (sink >= item.sinkCount) t[c] = -INFINITY;
        }
        float n0 = row_max(t, 0, m0), n1 = row_max(t, 1, m1);
        float a0 = exp2_fast((m0 - n0) * scale2), a1 = exp2_fast((m1 - n1) * scale2);
        l0 = l0 * a0 + exponentials(t, 0, n0, scale2);
        l1 = l1 * a1 + exponentials(t, 1, n1, scale2);
        m0 = n0;
        m1 = n1;
#pragma unroll
        for (int c = 0; c < HEAD_DIM / 2; c += 4) {
          o[c] *= a0;
          o[c + 1] *= a0;
          o[c + 2] *= a1;
          o[c + 3] *= a1;
        }
        p[0] = pack(t[0], t[1]);
        p[1] = pack(t[2], t[3]);
        p[2] = pack(t[4], t[5]);
        p[3] = pack(t[6], t[7]);
        hold(o);
        wgmma_fence();
        u64 b = descriptor(base + VS_AT, BOX(SINKS), 1024);
#if HEAD_DIM == 128
        wgmma_rs_n128<1>(o, p, b, 1);
#else
        wgmma_rs_n64<1>(o, p, b, 1);
#endif
        wgmma_commit();
        wgmma_wait<0>();
        hold(o);
        barrier_arrive(barriers + 8 * S_EMPTY);
      }

      // The tile on the diagonal.
      int stage = tile % STAGES;
      barrier_wait(barriers + 8 * (K_FULL + stage), (tile / STAGES) & 1);
      hold(s);
      wgmma_fence();
      multiply_q_k(s, myQ, base + K_AT + stage * KV_BYTES);
      wgmma_commit();
      wgmma_wait<0>();
      hold(s);
      barrier_arrive(barriers + 8 * (K_EMPTY + stage));
#pragma unroll
      for (int c = 0; c < 64; c++) {
        int key = (c >> 2) * 8 + column + (c & 1);
        if (key > row + ((c & 2) ? 8 : 0)) s[c] = -INFINITY;
      }
      {
        float n0 = row_max(s, 0, m0), n1 = row_max(s, 1, m1);
        float a0 = exp2_fast((m0 - n0) * scale2), a1 = exp2_fast((m1 - n1) * scale2);
        l0 = l0 * a0 + exponentials(s, 0, n0, scale2);
        l1 = l1 * a1 + exponentials(s, 1, n1, scale2);
        m0 = n0;
        m1 = n1;
#pragma unroll
        for (int c = 0; c < HEAD_DIM / 2; c += 4) {
          o[c] *= a0;
          o[c + 1] *= a0;
          o[c + 2] *= a1;
          o[c + 3] *= a1;
        }
#pragma unroll
        for (int c = 0; c < 32; c++) p[c] = pack(s[2 * c], s[2 * c + 1]);
      }

      for (int j = item.query - KEYS; j >= item.segment; j -= KEYS) {
        int last = stage;
        u32 lastTile = tile++;
        stage = tile % STAGES;
        barrier_wait(barriers + 8 * (K_FULL + stage), (tile / STAGES) & 1);
        hold(s);
        hold(o);
        wgmma_fence();
        multiply_q_k(s, myQ, base + K_AT + stage * KV_BYTES);
        wgmma_commit();
        barrier_wait(barriers + 8 * (V_FULL + last), (lastTile / STAGES) & 1);
        multiply_p_v(o, p, base + V_AT + last * KV_BYTES);
        wgmma_commit();
        wgmma_wait<1>();
        hold(s);
        barrier_arrive(barriers + 8 * (K_EMPTY + stage));
        float n0 = row_max(s, 0, m0), n1 = row_max(s, 1, m1);
        float a0 = exp2_fast((m0 - n0) * scale2), a1 = exp2_fast((m1 - n1) * scale2);
        l0 = l0 * a0 + exponentials(s, 0, n0, scale2);
        l1 = l1 * a1 + exponentials(s, 1, n1, scale2);
        m0 = n0;
        m1 = n1;
        wgmma_wait<0>();
        hold(o);
        barrier_arrive(barriers + 8 * (V_EMPTY + last));
#pragma unroll
        for (int c = 0; c < HEAD_DIM / 2; c += 4) {
          o[c] *= a0;
          o[c + 1] *= a0;
          o[c + 2] *= a1;
          o[c + 3] *= a1;
        }
#pragma unroll
        for (int c = 0; c < 32; c++) p[c] = pack(s[2 * c], s[2 * c + 1]);
      }
      barrier_arrive(barriers + 8 * Q_EMPTY);
      barrier_wait(barriers + 8 * (V_FULL + stage), (tile / STAGES) & 1);
      hold(o);
      wgmma_fence();
      multiply_p_v(o, p, base + V_AT + stage * KV_BYTES);
      wgmma_commit();
      l0 += __shfl_xor_sync(0xFFFFFFFF, l0, 1);
      l0 += __shfl_xor_sync(0xFFFFFFFF, l0, 2);
      l1 += __shfl_xor_sync(0xFFFFFFFF, l1, 1);
      l1 += __shfl_xor_sync(0xFFFFFFFF, l1, 2);
      wgmma_wait<0>();
      hold(o);
      barrier_arrive(barriers + 8 * (V_EMPTY + stage));
      tile++;

      long long token0 = (long long)item.query + row, token1 = token0 + 8;
      float r0 = 1 / l0, r1 = 1 / l1;
      if ((thread & 3) == 0) {
        if (token0 < item.end) logSumExp[token0 * heads + item.head] = m0 * scale + logf(l0);
        if (token1 < item.end) logSumExp[token1 * heads + item.head] = m1 * scale + logf(l1);
      }
      bf16* to0 = out + token0 * outToken + item.head * outHead + (thread & 3) * 8;
      bf16* to1 = to0 + 8 * outToken;
#pragma unroll
      for (int c = 0; c < HEAD_DIM / 2; c += 16) {
        uint4 x0 = transpose_quad(pack(o[c] * r0, o[c + 1] * r0), pack(o[c + 4] * r0, o[c + 5] * r0),
                                  pack(o[c + 8] * r0, o[c + 9] * r0),
                                  pack(o[c + 12] * r0, o[c + 13] * r0));
        uint4 x1 = transpose_quad(pack(o[c + 2] * r1, o[c + 3] * r1), pack(o[c + 6] * r1, o[c + 7] * r1),
                                  pack(o[c + 10] * r1, o[c + 11] * r1),
                                  pack(o[c + 14] * r1, o[c + 15] * r1));
        if (token0 < item.end) *(uint4*)(to0 + 2 * c) = x0;
        if (token1 < item.end) *(uint4*)(to1 + 2 * c) = x1;
      }
    }
  }
}
