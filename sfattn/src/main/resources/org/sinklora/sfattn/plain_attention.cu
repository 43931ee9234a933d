// Attention forward and backward for any head dim up to 256, float32 or bfloat16, any GPU since
// sm_80, every pattern: what the tensor-core kernels are tested against, and what computes where
// they do not.
//
//   forward   out = softmax(scale · q kᵀ) v and the log of each softmax's denominator
//   backward  P = exp(scale · q kᵀ − logSumExp), dS = P ∘ (dOut vᵀ − Δ), Δ = Σ dOut · out
//             dQ = scale · dS k, dK = scale · dSᵀ q, dV = Pᵀ dOut
//
// A block of 256 threads works on 32 rows (queries, or keys) against tiles of 32 others in shared
// memory; 8 threads share a row. dK and dV are summed for each query head in float32 and joined by
// a kernel of their own; sinks collect from all later queries in one block. All sums have a fixed
// order.
//
// History
//   1. As it stands.

#ifndef INFINITY
#define INFINITY __int_as_float(0x7F800000)
#endif

typedef unsigned int u32;
typedef unsigned short bf16;

#ifndef ELEMENT
#define ELEMENT float
#endif
typedef ELEMENT Element;
// Components of a head, rounded up to a multiple of 32.
#ifndef DIM
#define DIM 128
#endif
#define ROWS 32
#define STRIDE (DIM + 4)
#define QUADS (DIM / 32)

// 32 rows of a segment of a head; positions count from the document's first token and wrap at its
// end; sinks: the document's first tokens that the segment's queries see as well.
struct Tile {
  int head, document, length, start, rows, sinks, from, unused;
};

// The tiles [from, to) of a head of a document.
struct HeadTiles {
  int head, document, sinks, from, to, unused0, unused1, unused2;
};

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((u32)x << 16); }
__device__ __forceinline__ void store(float* to, float x) { *to = x; }
__device__ __forceinline__ void store(bf16* to, float x) {
  unsigned short r;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(x));
  *to = r;
}

__device__ __forceinline__ long long token_of(const Tile& t, int index) {
  int position = t.start + index;
  return t.document + (position < t.length ? position : position - t.length);
}

// Rows [first, first + 32) of a segment to shared memory, zeros behind its end and its components.
__device__ __forceinline__ void load_rows(float* to, const Element* from, long long tokenStride,
                                          const Tile& t, int first, int end, int dim) {
  for (int i = threadIdx.x; i < ROWS * DIM; i += 256) {
    int r = i / DIM, d = i % DIM;
    bool there = first + r < end && d < dim;
    to[r * STRIDE + d] = there ? to_float(from[token_of(t, first + r) * tokenStride + d]) : 0;
  }
}

// The document's first tokens, as rows.
__device__ __forceinline__ void load_sinks(float* to, const Element* from, long long tokenStride,
                                           int document, int first, int end, int dim) {
  for (int i = threadIdx.x; i < ROWS * DIM; i += 256) {
    int r = i / DIM, d = i % DIM;
    bool there = first + r < end && d < dim;
    to[r * STRIDE + d] = there ? to_float(from[(document + first + r) * tokenStride + d]) : 0;
  }
}

// Products of the thread's row of a with rows lane, lane + 8, lane + 16, lane + 24 of b.
__device__ __forceinline__ void row_products(float (&s)[4], const float* a, const float* b, int row,
                                             int lane) {
  s[0] = s[1] = s[2] = s[3] = 0;
  const float* x = a + row * STRIDE;
#pragma unroll 4
  for (int d = 0; d < DIM; d += 4) {
    float4 u = *(const float4*)(x + d);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float4 w = *(const float4*)(b + (lane + 8 * i) * STRIDE + d);
      s[i] = fmaf(u.x, w.x, fmaf(u.y, w.y, fmaf(u.z, w.z, fmaf(u.w, w.w, s[i]))));
    }
  }
}

// acc += Σ_j p[row, j] · b[j, …]: components 4 lane + 32 i … of the row.
__device__ __forceinline__ void add_rows(float (&acc)[4 * QUADS], const float* p, const float* b,
                                         int row, int lane) {
#pragma unroll 4
  for (int j = 0; j < ROWS; j++) {
    float w = p[row * (ROWS + 1) + j];
    const float* x = b + j * STRIDE + 4 * lane;
#pragma unroll
    for (int i = 0; i < QUADS; i++) {
      float4 u = *(const float4*)(x + 32 * i);
      acc[4 * i] = fmaf(w, u.x, acc[4 * i]);
      acc[4 * i + 1] = fmaf(w, u.y, acc[4 * i + 1]);
      acc[4 * i + 2] = fmaf(w, u.z, acc[4 * i + 2]);
      acc[4 * i + 3] = fmaf(w, u.w, acc[4 * i + 3]);
    }
  }
}

__device__ __forceinline__ float max8(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFF, x, 1));
  x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFF, x, 2));
  return fmaxf(x, __shfl_xor_sync(0xFFFFFFFF, x, 4));
}

__device__ __forceinline__ float sum8(float x) {
  x += __shfl_xor_sync(0xFFFFFFFF, x, 1);
  x += __shfl_xor_sync(0xFFFFFFFF, x, 2);
  return x + __shfl_xor_sync(0xFFFFFFFF, x, 4);
}

template <typename To>
__device__ __forceinline__ void store_row(To* to, const float (&acc)[4 * QUADS], int lane, int dim,
                                          float factor) {
#pragma unroll
  for (int i = 0; i < QUADS; i++) {
#pragma unroll
    for (int c = 0; c < 4; c++) {
      int d = 4 * lane + 32 * i + c;
      if (d < dim) store(to + d, acc[4 * i + c] * factor);
    }
  }
}

extern "C" __global__ void __launch_bounds__(256)
    plain_forward(const Tile* tiles, const Element* q, long long qToken, long long qHead, const Element* k,
                  long long kToken, long long kHead, const Element* v, long long vToken, long long vHead,
                  Element* out, long long outToken, long long outHead, float* logSumExp, int heads,
                  int queriesPerKv, int dim, float scale) {
  extern __shared__ float shared[];
  float *qs = shared, *ks = qs + ROWS * STRIDE, *vs = ks + ROWS * STRIDE, *ps = vs + ROWS * STRIDE;
  Tile t = tiles[blockIdx.x];
  int row = threadIdx.x / 8, lane = threadIdx.x % 8;
  int index = t.from + row;
  int end = min(t.rows, t.from + ROWS);
  const Element* keys = k + (t.head / queriesPerKv) * kHead;
  const Element* values = v + (t.head / queriesPerKv) * vHead;
  load_rows(qs, q + t.head * qHead, qToken, t, t.from, end, dim);
  float m = -INFINITY, l = 0;
  float acc[4 * QUADS];
#pragma unroll
  for (int i = 0; i < 4 * QUADS; i++) acc[i] = 0;
  int sinkTiles = (t.sinks + ROWS - 1) / ROWS;
  int tilesOfKeys = sinkTiles + (end + ROWS - 1) / ROWS;
  for (int n = 0; n < tilesOfKeys; n++) {
    bool sink = n < sinkTiles;
    int first = (sink ? n : n - sinkTiles) * ROWS;
    __syncthreads();
    if (sink) {
      load_sinks(ks, keys, kToken, t.document, first, t.sinks, dim);
      load_sinks(vs, values, vToken, t.document, first, t.sinks, dim);
    } else {
      load_rows(ks, keys, kToken, t, first, end, dim);
      load_rows(vs, values, vToken, t, first, end, dim);
    }
    __syncthreads();
    float s[4];
    row_products(s, qs, ks, row, lane);
    float top = m;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int key = first + lane + 8 * i;
      bool seen = sink ? key < t.sinks : key <= index && key < end;
      s[i] = seen ? s[i] * scale : -INFINITY;
      top = fmaxf(top, s[i]);
    }
    top = max8(top);
    // Rows behind the segment's end may see nothing at all.
    float before = top == -INFINITY ? 0 : expf(m - top);
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float p = top == -INFINITY ? 0 : expf(s[i] - top);
      ps[row * (ROWS + 1) + lane + 8 * i] = p;
      sum += p;
    }
    l = l * before + sum8(sum);
    m = top;
#pragma unroll
    for (int i = 0; i < 4 * QUADS; i++) acc[i] *= before;
    __syncwarp();
    add_rows(acc, ps, vs, row, lane);
  }
  if (index < end) {
    long long token = token_of(t, index);
    store_row(out + token * outToken + t.head * outHead, acc, lane, dim, 1 / l);
    if (lane == 0) logSumExp[token * heads + t.head] = m + logf(l);
  }
}

// delta[token, head] = Σ_d dOut · out; a warp a row.
extern "C" __global__ void __launch_bounds__(256)
    plain_delta(const Element* out, long long outToken, long long outHead, const Element* dOut,
                long long dOutToken, long long dOutHead, float* delta, long long tokens, int heads,
                int dim) {
  long long row = ((long long)blockIdx.x * 256 + threadIdx.x) / 32;
  if (row >= tokens * heads) return;
  long long token = row / heads;
  int head = (int)(row % heads);
  const Element* a = out + token * outToken + head * outHead;
  const Element* b = dOut + token * dOutToken + head * dOutHead;
  float sum = 0;
  for (int d = threadIdx.x & 31; d < dim; d += 32) sum = fmaf(to_float(a[d]), to_float(b[d]), sum);
  for (int i = 16; i > 0; i /= 2) sum += __shfl_xor_sync(0xFFFFFFFF, sum, i);
  if ((threadIdx.x & 31) == 0) delta[row] = sum;
}

extern "C" __global__ void __launch_bounds__(256)
    plain_query_gradients(const Tile* tiles, const Element* q, long long qToken, long long qHead,
                          const Element* k, long long kToken, long long kHead, const Element* v,
                          long long vToken, long long vHead, const Element* dOut, long long dOutToken,
                          long long dOutHead, const float* logSumExp, const float* delta, Element* dQ,
                          long long dQToken, long long dQHead, int heads, int queriesPerKv, int dim,
                          float scale) {
  extern __shared__ float shared[];
  float *qs = shared, *ks = qs + ROWS * STRIDE, *vs = ks + ROWS * STRIDE, *os = vs + ROWS * STRIDE;
  float* ps = os + ROWS * STRIDE;
  Tile t = tiles[blockIdx.x];
  int row = threadIdx.x / 8, lane = threadIdx.x % 8;
  int index = t.from + row;
  int end = min(t.rows, t.from + ROWS);
  const Element* keys = k + (t.head / queriesPerKv) * kHead;
  const Element* values = v + (t.head / queriesPerKv) * vHead;
  load_rows(qs, q + t.head * qHead, qToken, t, t.from, end, dim);
  load_rows(os, dOut + t.head * dOutHead, dOutToken, t, t.from, end, dim);
  long long token = index < end ? token_of(t, index) : 0;
  float l = index < end ? logSumExp[token * heads + t.head] : INFINITY;
  float rowDelta = index < end ? delta[token * heads + t.head] : 0;
  float acc[4 * QUADS];
#pragma unroll
  for (int i = 0; i < 4 * QUADS; i++) acc[i] = 0;
  int sinkTiles = (t.sinks + ROWS - 1) / ROWS;
  int tilesOfKeys = sinkTiles + (end + ROWS - 1) / ROWS;
  for (int n = 0; n < tilesOfKeys; n++) {
    bool sink = n < sinkTiles;
    int first = (sink ? n : n - sinkTiles) * ROWS;
    __syncthreads();
    if (sink) {
      load_sinks(ks, keys, kToken, t.document, first, t.sinks, dim);
      load_sinks(vs, values, vToken, t.document, first, t.sinks, dim);
    } else {
      load_rows(ks, keys, kToken, t, first, end, dim);
      load_rows(vs, values, vToken, t, first, end, dim);
    }
    __syncthreads();
    float s[4], dp[4];
    row_products(s, qs, ks, row, lane);
    row_products(dp, os, vs, row, lane);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int key = first + lane + 8 * i;
      bool seen = sink ? key < t.sinks : key <= index && key < end;
      float p = seen ? expf(fmaf(s[i], scale, -l)) : 0;
      ps[row * (ROWS + 1) + lane + 8 * i] = p * (dp[i] - rowDelta);
    }
    __syncwarp();
    add_rows(acc, ps, ks, row, lane);
  }
  if (index < end) store_row(dQ + token * dQToken + t.head * dQHead, acc, lane, dim, scale);
}

// One tile of queries against the keys and values in shared memory, for the gradients of both.
// seen(key row, query row) says which pairs attend.
template <typename Seen>
__device__ __forceinline__ void key_gradients_of(float (&dk)[4 * QUADS], float (&dv)[4 * QUADS],
                                                 const float* ks, const float* vs, const float* qs,
                                                 const float* os, float* ps, float* ds,
                                                 const float* statistics, float scale, int row,
                                                 int lane, Seen seen) {
  float s[4], dp[4];
  row_products(s, ks, qs, row, lane);
  row_products(dp, vs, os, row, lane);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    int query = lane + 8 * i;
    float p = seen(row, query) ? expf(fmaf(s[i], scale, -statistics[query])) : 0;
    ps[row * (ROWS + 1) + query] = p;
    ds[row * (ROWS + 1) + query] = p * (dp[i] - statistics[ROWS + query]);
  }
  __syncwarp();
  add_rows(dv, ps, os, row, lane);
  add_rows(dk, ds, qs, row, lane);
}

__device__ __forceinline__ void load_statistics(float* to, const float* logSumExp,
                                                const float* delta, const Tile& t, int first,
                                                int heads) {
  if (threadIdx.x < ROWS) {
    int index = first + threadIdx.x;
    bool there = index < t.rows;
    long long at = there ? token_of(t, index) * heads + t.head : 0;
    to[threadIdx.x] = there ? logSumExp[at] : INFINITY;
    to[ROWS + threadIdx.x] = there ? delta[at] : 0;
  }
}

// dK and dV of 32 keys from their own segment, for one query head: [tokens, heads, dim] float32.
extern "C" __global__ void __launch_bounds__(256)
    plain_key_gradients(const Tile* tiles, const Element* q, long long qToken, long long qHead,
                        const Element* k, long long kToken, long long kHead, const Element* v, long long vToken,
                        long long vHead, const Element* dOut, long long dOutToken, long long dOutHead,
                        const float* logSumExp, const float* delta, float* dK, float* dV, int heads,
                        int queriesPerKv, int dim, float scale) {
  extern __shared__ float shared[];
  float *ks = shared, *vs = ks + ROWS * STRIDE, *qs = vs + ROWS * STRIDE, *os = qs + ROWS * STRIDE;
  float *ps = os + ROWS * STRIDE, *ds = ps + ROWS * (ROWS + 1), *statistics = ds + ROWS * (ROWS + 1);
  Tile t = tiles[blockIdx.x];
  int row = threadIdx.x / 8, lane = threadIdx.x % 8;
  load_rows(ks, k + (t.head / queriesPerKv) * kHead, kToken, t, t.from, t.rows, dim);
  load_rows(vs, v + (t.head / queriesPerKv) * vHead, vToken, t, t.from, t.rows, dim);
  float dk[4 * QUADS], dv[4 * QUADS];
#pragma unroll
  for (int i = 0; i < 4 * QUADS; i++) dk[i] = dv[i] = 0;
  for (int first = t.from; first < t.rows; first += ROWS) {
    __syncthreads();
    load_rows(qs, q + t.head * qHead, qToken, t, first, t.rows, dim);
    load_rows(os, dOut + t.head * dOutHead, dOutToken, t, first, t.rows, dim);
    load_statistics(statistics, logSumExp, delta, t, first, heads);
    __syncthreads();
    key_gradients_of(dk, dv, ks, vs, qs, os, ps, ds, statistics, scale, row, lane,
                     [&](int key, int query) { return t.from + key <= first + query; });
  }
  if (t.from + row < t.rows) {
    long long at = (token_of(t, t.from + row) * heads + t.head) * dim;
    store_row(dK + at, dk, lane, dim, scale);
    store_row(dV + at, dv, lane, dim, 1);
  }
}

// Adds to the sinks' dK and dV what the queries of later segments contribute. A block: x the head
// of a document, y 32 of its sinks.
extern "C" __global__ void __launch_bounds__(256)
    plain_sink_gradients(const HeadTiles* lists, const Tile* tiles, const Element* q, long long qToken,
                         long long qHead, const Element* k, long long kToken, long long kHead, const Element* v,
                         long long vToken, long long vHead, const Element* dOut, long long dOutToken,
                         long long dOutHead, const float* logSumExp, const float* delta, float* dK,
                         float* dV, int heads, int queriesPerKv, int dim, float scale) {
  extern __shared__ float shared[];
  float *ks = shared, *vs = ks + ROWS * STRIDE, *qs = vs + ROWS * STRIDE, *os = qs + ROWS * STRIDE;
  float *ps = os + ROWS * STRIDE, *ds = ps + ROWS * (ROWS + 1), *statistics = ds + ROWS * (ROWS + 1);
  HeadTiles list = lists[blockIdx.x];
  int firstSink = blockIdx.y * ROWS;
  if (firstSink >= list.sinks) return;
  int row = threadIdx.x / 8, lane = threadIdx.x % 8;
  int kv = list.head / queriesPerKv;
  load_sinks(ks, k + kv * kHead, kToken, list.document, firstSink, list.sinks, dim);
  load_sinks(vs, v + kv * vHead, vToken, list.document, firstSink, list.sinks, dim);
  float dk[4 * QUADS], dv[4 * QUADS];
#pragma unroll
  for (int i = 0; i < 4 * QUADS; i++) dk[i] = dv[i] = 0;
  for (int n = list.from; n < list.to; n++) {
    Tile t = tiles[n];
    if (t.sinks <= firstSink) continue;
    __syncthreads();
    load_rows(qs, q + t.head * qHead, qToken, t, t.from, t.rows, dim);
    load_rows(os, dOut + t.head * dOutHead, dOutToken, t, t.from, t.rows, dim);
    load_statistics(statistics, logSumExp, delta, t, t.from, heads);
    __syncthreads();
    key_gradients_of(dk, dv, ks, vs, qs, os, ps, ds, statistics, scale, row, lane,
                     [&](int key, int query) { return firstSink + key < t.sinks; });
  }
  if (firstSink + row < list.sinks) {
    long long at = ((long long)(list.document + firstSink + row) * heads + list.head) * dim;
#pragma unroll
    for (int i = 0; i < QUADS; i++) {
#pragma unroll
      for (int c = 0; c < 4; c++) {
        int d = 4 * lane + 32 * i + c;
        if (d < dim) {
          dK[at + d] += dk[4 * i + c] * scale;
          dV[at + d] += dv[4 * i + c];
        }
      }
    }
  }
}

// dX[token, kvHead] = Σ over its query heads of perHead[token, head].
extern "C" __global__ void __launch_bounds__(256)
    plain_group_sums(const float* perHead, Element* dX, long long dXToken, long long dXHead,
                     long long tokens, int kvHeads, int queriesPerKv, int dim) {
  long long i = (long long)blockIdx.x * 256 + threadIdx.x;
  if (i >= tokens * kvHeads * dim) return;
  int d = (int)(i % dim);
  int kv = (int)(i / dim % kvHeads);
  long long token = i / dim / kvHeads;
  float sum = 0;
  for (int r = 0; r < queriesPerKv; r++) {
    sum += perHead[((token * kvHeads + kv) * queriesPerKv + r) * dim + d];
  }
  store(dX + token * dXToken + kv * dXHead + d, sum);
}
