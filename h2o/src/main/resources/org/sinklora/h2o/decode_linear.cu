// Linears of a decoding step: y[b, r] = sum over c of W[r, c] * x[b, c], for a batch of 1 to 16 rows.
//
// A step reads every weight once, so all that counts is the rate at which W streams from memory. Up to
// three weights that share their input (queries, keys, values) are one launch, gate and up with their
// activation are one, and the residual is added by the linear that feeds it. Weights are row-major
// [out, in]; sums are in float32, in a fixed order.
//
// The bfloat16 and int8 kernels use tensor cores even for one row: with m16n8k16 the sums cost next to
// nothing, and a lane can load 16 bytes of a weight at a time, since the order of the columns inside a
// sum is free: what the instruction calls columns 2q, 2q+1, 2q+8, 2q+9 of lane q are here any four
// columns, as long as W and x agree. A block owns 16 rows of W; its eight warps share the columns and
// add up through shared memory.
//
// History
// 1. One warp a row with fused multiply-adds: the conversion of bfloat16 and the products of a batch of
//    16 take more issue slots than the loads leave. Kept for float32 weights.
// 2. Tensor cores with columns permuted, 8 loads of 16 bytes in flight a lane: this file.

typedef unsigned short bf16;

#define STORE 0     // y[b, r] = sum + addend, float32
#define RESIDUAL 1  // y[b, r] += sum + addend, float32
#define SWIGLU 2    // y[b, r] = silu(gate) * up, activation type
#define GELU_ERF 3  // y[b, r] = gelu(sum + addend), activation type
#define GELU_TANH 4

#define WARPS 8
#define GROUP 4  // column chunks of a warp's turn

__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }

__device__ __forceinline__ void put(float* y, long long at, float value) { y[at] = value; }
__device__ __forceinline__ void put(bf16* y, long long at, float value) {
  bf16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  y[at] = bits;
}

__device__ __forceinline__ float silu(float x) { return x / (1.0f + expf(-x)); }

__device__ __forceinline__ float gelu(float x, int mode) {
  if (mode == GELU_ERF) {
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
  }
  float inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.0f + tanhf(inner));
}

// Two floats to two bfloat16 in one word, `low` in its lower half.
__device__ __forceinline__ unsigned pack(float low, float high) {
  unsigned word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

// 16 bytes that are read once: they need no place in L1.
__device__ __forceinline__ uint4 stream(const void* at) {
  uint4 v;
  asm("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(at));
  return v;
}

__device__ __forceinline__ uint4 zeros() { return make_uint4(0u, 0u, 0u, 0u); }

// Eight bfloat16 of a row from column k on; 0 behind the end of the row.
template <bool ALIGNED, bool ONCE>
__device__ __forceinline__ uint4 eight(const bf16* row, int k, int in) {
  if constexpr (ALIGNED) {
    if (k >= in) {
      return zeros();
    }
    return ONCE ? stream(row + k) : *reinterpret_cast<const uint4*>(row + k);
  } else {
    unsigned word[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      unsigned low = k + 2 * i < in ? row[k + 2 * i] : 0;
      unsigned high = k + 2 * i + 1 < in ? row[k + 2 * i + 1] : 0;
      word[i] = low | (high << 16);
    }
    return make_uint4(word[0], word[1], word[2], word[3]);
  }
}

__device__ __forceinline__ void multiply(
    float (&sum)[4], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0, unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// Which weight, and which of its rows, a block works on.
struct Rows {
  int segment;  // 0, 1 or 2
  int first;    // row of the weight
  int column;   // of the output: rows of the segments before, and first
  int count;    // rows of the weight
};

__device__ __forceinline__ Rows rows_of(int unit, int perBlock, int out0, int out1, int out2) {
  int blocks0 = (out0 + perBlock - 1) / perBlock;
  int blocks1 = (out1 + perBlock - 1) / perBlock;
  Rows rows;
  if (unit < blocks0) {
    rows.segment = 0;
    rows.first = unit * perBlock;
    rows.column = rows.first;
    rows.count = out0;
  } else if (unit < blocks0 + blocks1) {
    rows.segment = 1;
    rows.first = (unit - blocks0) * perBlock;
    rows.column = out0 + rows.first;
    rows.count = out1;
  } else {
    rows.segment = 2;
    rows.first = (unit - blocks0 - blocks1) * perBlock;
    rows.column = out0 + out1 + rows.first;
    rows.count = out2;
  }
  return rows;
}

template <typename P>
__device__ __forceinline__ P pick(int segment, P p0, P p1, P p2) {
  return segment == 0 ? p0 : segment == 1 ? p1 : p2;
}

// What is done with a finished sum. `column` counts the rows of all weights of the launch.
template <int MODE, typename Y>
__device__ __forceinline__ void finish(
    float sum, int b, int column, int columns, const float* addend, Y* y) {
  if (addend != nullptr) {
    sum += addend[(long long)b * columns + column];
  }
  long long at = (long long)b * columns + column;
  if constexpr (MODE == RESIDUAL) {
    y[at] += sum;
  } else if constexpr (MODE == STORE) {
    put(y, at, sum);
  } else {
    put(y, at, gelu(sum, MODE));
  }
}

template <typename Y>
__device__ __forceinline__ void finish_swiglu(
    float gate, float up, int b, int row, int out, const float* addend, Y* y) {
  if (addend != nullptr) {
    gate += addend[(long long)b * 2 * out + row];
    up += addend[(long long)b * 2 * out + out + row];
  }
  put(y, (long long)b * out + row, silu(gate) * up);
}

// Four int8 in a word to four bfloat16, exactly: the bytes become the low bits of 2^23 as a float.
__device__ __forceinline__ void widen(unsigned word, unsigned& low, unsigned& high) {
  unsigned shifted = word ^ 0x80808080u;
  float f0 = __uint_as_float(__byte_perm(shifted, 0x4B000000u, 0x7540)) - 8388736.0f;
  float f1 = __uint_as_float(__byte_perm(shifted, 0x4B000000u, 0x7541)) - 8388736.0f;
  float f2 = __uint_as_float(__byte_perm(shifted, 0x4B000000u, 0x7542)) - 8388736.0f;
  float f3 = __uint_as_float(__byte_perm(shifted, 0x4B000000u, 0x7543)) - 8388736.0f;
  low = pack(f0, f1);
  high = pack(f2, f3);
}

// The sums of a block's 16 rows, over a warp's share of the columns.
template <int TILES, bool ALIGNED>
__device__ __forceinline__ void sums_bf16(
    const bf16* low, const bf16* high, int in, const bf16* x, int batch, float (&sum)[TILES][4]) {
  int warp = threadIdx.x >> 5;
  int q = threadIdx.x & 3;
  int r = (threadIdx.x & 31) >> 2;
  for (int k0 = warp * (GROUP * 32); k0 < in; k0 += WARPS * GROUP * 32) {
    uint4 a[GROUP];
    uint4 b[GROUP];
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
      int k = k0 + i * 32 + q * 8;
      a[i] = eight<ALIGNED, true>(low, k, in);
      b[i] = eight<ALIGNED, true>(high, k, in);
    }
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
      int row = tile * 8 + r;
      uint4 v[GROUP];
#pragma unroll
      for (int i = 0; i < GROUP; i++) {
        int k = k0 + i * 32 + q * 8;
        v[i] = row < batch ? eight<ALIGNED, false>(x + (long long)row * in, k, in) : zeros();
      }
#pragma unroll
      for (int i = 0; i < GROUP; i++) {
        multiply(sum[tile], a[i].x, b[i].x, a[i].y, b[i].y, v[i].x, v[i].y);
        multiply(sum[tile], a[i].z, b[i].z, a[i].w, b[i].w, v[i].z, v[i].w);
      }
    }
  }
}

// The same for int8 weights; `in` is a multiple of 16 and all rows are aligned.
template <int TILES>
__device__ __forceinline__ void sums_int8(
    const signed char* low,
    const signed char* high,
    int in,
    const bf16* x,
    int batch,
    float (&sum)[TILES][4]) {
  int warp = threadIdx.x >> 5;
  int q = threadIdx.x & 3;
  int r = (threadIdx.x & 31) >> 2;
  for (int k0 = warp * (GROUP * 64); k0 < in; k0 += WARPS * GROUP * 64) {
    uint4 a[GROUP];
    uint4 b[GROUP];
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
      int k = k0 + i * 64 + q * 16;
      a[i] = k < in ? stream(low + k) : zeros();
      b[i] = k < in ? stream(high + k) : zeros();
    }
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
      int k = k0 + i * 64 + q * 16;
      unsigned wordsA[4] = {a[i].x, a[i].y, a[i].z, a[i].w};
      unsigned wordsB[4] = {b[i].x, b[i].y, b[i].z, b[i].w};
#pragma unroll
      for (int half = 0; half < 2; half++) {
        unsigned low0[2], high0[2], low1[2], high1[2];
#pragma unroll
        for (int j = 0; j < 2; j++) {
          widen(wordsA[half * 2 + j], low0[j], high0[j]);
          widen(wordsB[half * 2 + j], low1[j], high1[j]);
        }
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
          int row = tile * 8 + r;
          uint4 v = row < batch
                        ? eight<true, false>(x + (long long)row * in, k + half * 8, in)
                        : zeros();
          multiply(sum[tile], low0[0], low1[0], high0[0], high1[0], v.x, v.y);
          multiply(sum[tile], low0[1], low1[1], high0[1], high1[1], v.z, v.w);
        }
      }
    }
  }
}

// The values of the 4-bit NormalFloat data type (QLoRA, arXiv 2305.14314).
__device__ const float NF4[16] = {
    -1.0f,                 -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
    0.07958029955625534f,  0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f,  0.5626170039176941f,  0.7229568362236023f,  1.0f};

// The same for 4-bit weights, the first of a byte in its upper half; blocks of 64 columns share a
// scale. `in` is a multiple of 64. A lane's 16 bytes are 32 columns, within one block.
template <int TILES>
__device__ __forceinline__ void sums_nf4(
    const unsigned char* low,
    const unsigned char* high,
    const float* scaleLow,
    const float* scaleHigh,
    int in,
    const bf16* x,
    int batch,
    const float* table,
    float (&sum)[TILES][4]) {
  int warp = threadIdx.x >> 5;
  int q = threadIdx.x & 3;
  int r = (threadIdx.x & 31) >> 2;
  for (int k0 = warp * 256; k0 < in; k0 += WARPS * 256) {
    uint4 a[2];
    uint4 b[2];
    float sa[2];
    float sb[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int k = k0 + i * 128 + q * 32;
      bool inside = k < in;
      a[i] = inside ? stream(low + k / 2) : zeros();
      b[i] = inside ? stream(high + k / 2) : zeros();
      sa[i] = inside ? scaleLow[k / 64] : 0.0f;
      sb[i] = inside ? scaleHigh[k / 64] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int k = k0 + i * 128 + q * 32;
      unsigned wordsA[4] = {a[i].x, a[i].y, a[i].z, a[i].w};
      unsigned wordsB[4] = {b[i].x, b[i].y, b[i].z, b[i].w};
#pragma unroll
      for (int word = 0; word < 4; word++) {
        unsigned pairA[4];
        unsigned pairB[4];
#pragma unroll
        for (int byte = 0; byte < 4; byte++) {
          unsigned codeA = wordsA[word] >> (8 * byte);
          unsigned codeB = wordsB[word] >> (8 * byte);
          pairA[byte] = pack(table[(codeA >> 4) & 15] * sa[i], table[codeA & 15] * sa[i]);
          pairB[byte] = pack(table[(codeB >> 4) & 15] * sb[i], table[codeB & 15] * sb[i]);
        }
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
          int row = tile * 8 + r;
          uint4 v = row < batch
                        ? eight<true, false>(x + (long long)row * in, k + word * 8, in)
                        : zeros();
          multiply(sum[tile], pairA[0], pairB[0], pairA[1], pairB[1], v.x, v.y);
          multiply(sum[tile], pairA[2], pairB[2], pairA[3], pairB[3], v.z, v.w);
        }
      }
    }
  }
}

#define BF16_ALIGNED 0
#define BF16_ANY 1
#define INT8_ROWS 2
#define NF4_BLOCKS 3

// One block of 256 threads for 16 rows; SWIGLU: for 8 rows of gate (weight 0) and of up (weight 1).
//
// scale0…2: int8: one a row. NF4: one for 64 columns, [out, in / 64]. Else not read.
// x: [batch, in] bfloat16, batch at most 8 * TILES. addend: [batch, columns] or null.
// y: [batch, columns], columns = out0 + out1 + out2; SWIGLU: [batch, out0].
template <int KIND, int TILES, int MODE, typename Y>
__device__ __forceinline__ void linear(
    const void* w0,
    const void* w1,
    const void* w2,
    const float* scale0,
    const float* scale1,
    const float* scale2,
    int out0,
    int out1,
    int out2,
    int in,
    const bf16* x,
    int batch,
    const float* addend,
    Y* y) {
  __shared__ float4 parts[WARPS * TILES * 32];
  __shared__ float table[16];
  if constexpr (KIND == NF4_BLOCKS) {
    if (threadIdx.x < 16) {
      table[threadIdx.x] = NF4[threadIdx.x];
    }
    __syncthreads();
  }
  int lane = threadIdx.x & 31;
  int warp = threadIdx.x >> 5;
  int r = lane >> 2;
  Rows rows;
  const void* weightLow;
  const void* weightHigh;
  const float* scaleLow;
  const float* scaleHigh;
  int rowLow;
  int rowHigh;
  if constexpr (MODE == SWIGLU) {
    rows.segment = 0;
    rows.first = blockIdx.x * 8;
    rows.column = rows.first;
    rows.count = out0;
    weightLow = w0;
    weightHigh = w1;
    scaleLow = scale0;
    scaleHigh = scale1;
    rowLow = min(rows.first + r, out0 - 1);
    rowHigh = rowLow;
  } else {
    rows = rows_of(blockIdx.x, 16, out0, out1, out2);
    weightLow = pick(rows.segment, w0, w1, w2);
    weightHigh = weightLow;
    scaleLow = pick(rows.segment, scale0, scale1, scale2);
    scaleHigh = scaleLow;
    rowLow = min(rows.first + r, rows.count - 1);
    rowHigh = min(rows.first + r + 8, rows.count - 1);
  }
  float sum[TILES][4];
#pragma unroll
  for (int tile = 0; tile < TILES; tile++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      sum[tile][i] = 0.0f;
    }
  }
  if constexpr (KIND == INT8_ROWS) {
    sums_int8<TILES>(
        (const signed char*)weightLow + (long long)rowLow * in,
        (const signed char*)weightHigh + (long long)rowHigh * in,
        in,
        x,
        batch,
        sum);
    float low = scaleLow[rowLow];
    float high = scaleHigh[rowHigh];
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
      sum[tile][0] *= low;
      sum[tile][1] *= low;
      sum[tile][2] *= high;
      sum[tile][3] *= high;
    }
  } else if constexpr (KIND == NF4_BLOCKS) {
    sums_nf4<TILES>(
        (const unsigned char*)weightLow + (long long)rowLow * (in / 2),
        (const unsigned char*)weightHigh + (long long)rowHigh * (in / 2),
        scaleLow + (long long)rowLow * (in / 64),
        scaleHigh + (long long)rowHigh * (in / 64),
        in,
        x,
        batch,
        table,
        sum);
  } else {
    sums_bf16<TILES, KIND == BF16_ALIGNED>(
        (const bf16*)weightLow + (long long)rowLow * in,
        (const bf16*)weightHigh + (long long)rowHigh * in,
        in,
        x,
        batch,
        sum);
  }
#pragma unroll
  for (int tile = 0; tile < TILES; tile++) {
    parts[(warp * TILES + tile) * 32 + lane] =
        make_float4(sum[tile][0], sum[tile][1], sum[tile][2], sum[tile][3]);
  }
  __syncthreads();
  // Thread t finishes element t: component t % 4 of lane t / 4 % 32 of tile t / 128.
  const float* flat = reinterpret_cast<const float*>(parts);
  if (threadIdx.x < TILES * 128) {
    int tile = threadIdx.x >> 7;
    int owner = (threadIdx.x >> 2) & 31;
    int part = threadIdx.x & 3;
    float total = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      total += flat[(w * TILES) * 128 + threadIdx.x];
    }
    int row = owner >> 2;
    int b = tile * 8 + (owner & 3) * 2 + (part & 1);
    int columns = out0 + out1 + out2;
    if constexpr (MODE == SWIGLU) {
      // The sum of up lies two threads on, in the same warp.
      float up = __shfl_down_sync(0xffffffffu, total, 2);
      if (part < 2 && b < batch && rows.first + row < rows.count) {
        finish_swiglu(total, up, b, rows.first + row, out0, addend, y);
      }
    } else {
      row += part >= 2 ? 8 : 0;
      if (b < batch && rows.first + row < rows.count) {
        finish<MODE>(total, b, rows.column + row, columns, addend, y);
      }
    }
  }
}

// float32 weights and activations: a warp a row, four rows of the batch at a time.
template <int MODE>
__device__ __forceinline__ void linear_float32(
    const float* w0,
    const float* w1,
    const float* w2,
    int out0,
    int out1,
    int out2,
    int in,
    const float* x,
    int batch,
    const float* addend,
    float* y) {
  int lane = threadIdx.x & 31;
  int unit = blockIdx.x * WARPS + (threadIdx.x >> 5);
  int units = MODE == SWIGLU ? out0 : out0 + out1 + out2;
  if (unit >= units) {
    return;
  }
  const float* first;
  const float* second = nullptr;
  if constexpr (MODE == SWIGLU) {
    first = w0 + (long long)unit * in;
    second = w1 + (long long)unit * in;
  } else {
    Rows rows = rows_of(unit, 1, out0, out1, out2);
    first = pick(rows.segment, w0, w1, w2) + (long long)rows.first * in;
  }
  for (int b0 = 0; b0 < batch; b0 += 4) {
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    float sumUp[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int k = lane; k < in; k += 32) {
      float weight = first[k];
      float weightUp = MODE == SWIGLU ? second[k] : 0.0f;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (b0 + i < batch) {
          float value = x[(long long)(b0 + i) * in + k];
          sum[i] += weight * value;
          if constexpr (MODE == SWIGLU) {
            sumUp[i] += weightUp * value;
          }
        }
      }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int step = 16; step > 0; step >>= 1) {
        sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], step);
        if constexpr (MODE == SWIGLU) {
          sumUp[i] += __shfl_xor_sync(0xffffffffu, sumUp[i], step);
        }
      }
      if (lane == i && b0 + i < batch) {
        if constexpr (MODE == SWIGLU) {
          finish_swiglu(sum[i], sumUp[i], b0 + i, unit, out0, addend, y);
        } else {
          finish<MODE>(sum[i], b0 + i, unit, units, addend, y);
        }
      }
    }
  }
}

#define LINEAR(NAME, KIND, TILES, MODE, Y)                                                       \
  extern "C" __global__ void __launch_bounds__(256, 2) NAME(                                    \
      const void* w0, const void* w1, const void* w2, const float* scale0, const float* scale1, \
      const float* scale2, int out0, int out1, int out2, int in, const bf16* x, int batch,      \
      const float* addend, Y* y) {                                                              \
    linear<KIND, TILES, MODE, Y>(                                                               \
        w0, w1, w2, scale0, scale1, scale2, out0, out1, out2, in, x, batch, addend, y);         \
  }

#define LINEARS(NAME, KIND)                                \
  LINEAR(NAME##_8_store, KIND, 1, STORE, float)            \
  LINEAR(NAME##_8_residual, KIND, 1, RESIDUAL, float)      \
  LINEAR(NAME##_8_swiglu, KIND, 1, SWIGLU, bf16)           \
  LINEAR(NAME##_8_gelu_erf, KIND, 1, GELU_ERF, bf16)       \
  LINEAR(NAME##_8_gelu_tanh, KIND, 1, GELU_TANH, bf16)     \
  LINEAR(NAME##_16_store, KIND, 2, STORE, float)           \
  LINEAR(NAME##_16_residual, KIND, 2, RESIDUAL, float)     \
  LINEAR(NAME##_16_swiglu, KIND, 2, SWIGLU, bf16)          \
  LINEAR(NAME##_16_gelu_erf, KIND, 2, GELU_ERF, bf16)      \
  LINEAR(NAME##_16_gelu_tanh, KIND, 2, GELU_TANH, bf16)

LINEARS(bf16_aligned, BF16_ALIGNED)
LINEARS(bf16_any, BF16_ANY)
LINEARS(int8, INT8_ROWS)
LINEARS(nf4, NF4_BLOCKS)

#define LINEAR_FLOAT32(NAME, MODE)                                                                \
  extern "C" __global__ void __launch_bounds__(256) NAME(                                        \
      const float* w0, const float* w1, const float* w2, const float* scale0,                    \
      const float* scale1, const float* scale2, int out0, int out1, int out2, int in,            \
      const float* x, int batch, const float* addend, float* y) {                                \
    linear_float32<MODE>(w0, w1, w2, out0, out1, out2, in, x, batch, addend, y);                 \
  }

LINEAR_FLOAT32(float32_store, STORE)
LINEAR_FLOAT32(float32_residual, RESIDUAL)
LINEAR_FLOAT32(float32_swiglu, SWIGLU)
LINEAR_FLOAT32(float32_gelu_erf, GELU_ERF)
LINEAR_FLOAT32(float32_gelu_tanh, GELU_TANH)
