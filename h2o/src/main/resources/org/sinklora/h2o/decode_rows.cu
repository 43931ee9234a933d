// What lies between the linears, for a few rows of a decoding step and for the chunks of a prompt.
//
// The residual stream is float32; what goes into a linear has the type of its weight. All kernels are
// bound by memory or by their launch; sums have a fixed order.
//
// History
// 1. One block a row or a stretch of elements.

typedef unsigned short bf16;

__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((unsigned)x << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }

__device__ __forceinline__ void put(float* y, long long at, float value) { y[at] = value; }
__device__ __forceinline__ void put(bf16* y, long long at, float value) {
  bf16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  y[at] = bits;
}

// The sum over a block of at most 1024 threads, in all of them.
__device__ __forceinline__ float block_sum(float x, float* room) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) {
    x += __shfl_xor_sync(0xffffffffu, x, step);
  }
  __syncthreads();
  if ((threadIdx.x & 31) == 0) {
    room[threadIdx.x >> 5] = x;
  }
  __syncthreads();
  float all = 0.0f;
  for (int w = 0; w < blockDim.x / 32; w++) {
    all += room[w];
  }
  return all;
}

// x[b, :] = table[tokens[b * stride], :]. Grid: rows.
template <typename T>
__device__ __forceinline__ void embed(
    const int* tokens, int stride, const T* table, int hidden, float* x) {
  long long from = (long long)tokens[(long long)blockIdx.x * stride] * hidden;
  for (int i = threadIdx.x; i < hidden; i += blockDim.x) {
    x[(long long)blockIdx.x * hidden + i] = to_float(table[from + i]);
  }
}

extern "C" __global__ void embed_float32(
    const int* tokens, int stride, const float* table, int hidden, float* x) {
  embed(tokens, stride, table, hidden, x);
}

extern "C" __global__ void embed_bfloat16(
    const int* tokens, int stride, const bf16* table, int hidden, float* x) {
  embed(tokens, stride, table, hidden, x);
}

// Layer norm, or RMS norm where there is no bias. Grid: rows.
template <typename T>
__device__ __forceinline__ void norm(
    const float* x, const float* weight, const float* bias, float epsilon, int hidden, T* y) {
  __shared__ float room[32];
  long long from = (long long)blockIdx.x * hidden;
  float mean = 0.0f;
  if (bias != nullptr) {
    float sum = 0.0f;
    for (int i = threadIdx.x; i < hidden; i += blockDim.x) {
      sum += x[from + i];
    }
    mean = block_sum(sum, room) / (float)hidden;
  }
  float squares = 0.0f;
#pragma unroll 4
  for (int i = threadIdx.x; i < hidden; i += blockDim.x) {
    float centred = x[from + i] - mean;
    squares += centred * centred;
  }
  float inverse = 1.0f / sqrtf(block_sum(squares, room) / (float)hidden + epsilon);
#pragma unroll 4
  for (int i = threadIdx.x; i < hidden; i += blockDim.x) {
    float value = (x[from + i] - mean) * inverse * weight[i];
    put(y, from + i, bias != nullptr ? value + bias[i] : value);
  }
}

extern "C" __global__ void __launch_bounds__(1024) norm_float32(
    const float* x, const float* weight, const float* bias, float epsilon, int hidden, float* y) {
  norm(x, weight, bias, epsilon, hidden, y);
}

extern "C" __global__ void __launch_bounds__(1024) norm_bfloat16(
    const float* x, const float* weight, const float* bias, float epsilon, int hidden, bf16* y) {
  norm(x, weight, bias, epsilon, hidden, y);
}

// u[b, r] = A[r, :] . x[b, :] for the A of up to three linears, one above the other.
// Grid: (sum of the ranks, rows); a0, a1, a2: [rank, in], null for rank 0.
template <typename T>
__device__ __forceinline__ void lora_down(
    const float* a0,
    const float* a1,
    const float* a2,
    int rank0,
    int rank1,
    int in,
    const T* x,
    float* u) {
  __shared__ float room[32];
  int r = blockIdx.x;
  const float* a;
  if (r < rank0) {
    a = a0 + (long long)r * in;
  } else if (r < rank0 + rank1) {
    a = a1 + (long long)(r - rank0) * in;
  } else {
    a = a2 + (long long)(r - rank0 - rank1) * in;
  }
  float sum = 0.0f;
#pragma unroll 4
  for (int i = threadIdx.x; i < in; i += blockDim.x) {
    sum += a[i] * to_float(x[(long long)blockIdx.y * in + i]);
  }
  sum = block_sum(sum, room);
  if (threadIdx.x == 0) {
    u[(long long)blockIdx.y * gridDim.x + r] = sum;
  }
}

extern "C" __global__ void lora_down_float32(
    const float* a0, const float* a1, const float* a2, int rank0, int rank1, int in, const float* x,
    float* u) {
  lora_down(a0, a1, a2, rank0, rank1, in, x, u);
}

extern "C" __global__ void lora_down_bfloat16(
    const float* a0, const float* a1, const float* a2, int rank0, int rank1, int in, const bf16* x,
    float* u) {
  lora_down(a0, a1, a2, rank0, rank1, in, x, u);
}

// bias[r] + B[r, :] . u[b, :] of one output of one linear.
__device__ __forceinline__ float extra(
    const float* bias, const float* b, int row, int rank, const float* u) {
  float sum = bias != nullptr ? bias[row] : 0.0f;
  for (int k = 0; k < rank; k++) {
    sum += b[(long long)row * rank + k] * u[k];
  }
  return sum;
}

// y[b, r] = bias[r] + B[r, :] . u[b, :] for up to three linears that share their input: what a linear
// adds to its product. Grid: (columns / 256, rows); u: [rows, rank0 + rank1 + rank2].
extern "C" __global__ void lora_up(
    const float* bias0,
    const float* bias1,
    const float* bias2,
    const float* b0,
    const float* b1,
    const float* b2,
    int rank0,
    int rank1,
    int rank2,
    int out0,
    int out1,
    int out2,
    const float* u,
    float* y) {
  int column = blockIdx.x * blockDim.x + threadIdx.x;
  int columns = out0 + out1 + out2;
  if (column >= columns) {
    return;
  }
  const float* mine = u + (long long)blockIdx.y * (rank0 + rank1 + rank2);
  float sum;
  if (column < out0) {
    sum = extra(bias0, b0, column, rank0, mine);
  } else if (column < out0 + out1) {
    sum = extra(bias1, b1, column - out0, rank1, mine + rank0);
  } else {
    sum = extra(bias2, b2, column - out0 - out1, rank2, mine + rank0 + rank1);
  }
  y[(long long)blockIdx.y * columns + column] = sum;
}

// The same added to what one linear of a prompt has put out. Grid: (out / 256, rows); u: [rows, uRow].
template <typename T>
__device__ __forceinline__ void lora_add(
    const float* bias, const float* b, int rank, int out, const float* u, int uRow, T* y) {
  int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column < out) {
    long long at = (long long)blockIdx.y * out + column;
    float sum = extra(bias, b, column, rank, u + (long long)blockIdx.y * uRow);
    put(y, at, to_float(y[at]) + sum);
  }
}

extern "C" __global__ void lora_add_float32(
    const float* bias, const float* b, int rank, int out, const float* u, int uRow, float* y) {
  lora_add(bias, b, rank, out, u, uRow, y);
}

extern "C" __global__ void lora_add_bfloat16(
    const float* bias, const float* b, int rank, int out, const float* u, int uRow, bf16* y) {
  lora_add(bias, b, rank, out, u, uRow, y);
}

__device__ __forceinline__ long long element() {
  return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

// gate = silu(gate) * up, for a prompt.
template <typename T>
__device__ __forceinline__ void swiglu(T* gate, const T* up, long long n) {
  long long i = element();
  if (i < n) {
    float x = to_float(gate[i]);
    put(gate, i, x / (1.0f + expf(-x)) * to_float(up[i]));
  }
}

extern "C" __global__ void swiglu_float32(float* gate, const float* up, long long n) {
  swiglu(gate, up, n);
}

extern "C" __global__ void swiglu_bfloat16(bf16* gate, const bf16* up, long long n) {
  swiglu(gate, up, n);
}

template <typename T>
__device__ __forceinline__ void gelu(T* y, int tangent, long long n) {
  long long i = element();
  if (i < n) {
    float x = to_float(y[i]);
    float inner = tangent != 0
                      ? tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x))
                      : erff(x * 0.70710678118654752f);
    put(y, i, 0.5f * x * (1.0f + inner));
  }
}

extern "C" __global__ void gelu_float32(float* y, int tangent, long long n) { gelu(y, tangent, n); }

extern "C" __global__ void gelu_bfloat16(bf16* y, int tangent, long long n) { gelu(y, tangent, n); }

// x += y.
template <typename T>
__device__ __forceinline__ void add(const T* y, float* x, long long n) {
  long long i = element();
  if (i < n) {
    x[i] += to_float(y[i]);
  }
}

extern "C" __global__ void add_float32(const float* y, float* x, long long n) { add(y, x, n); }

extern "C" __global__ void add_bfloat16(const bf16* y, float* x, long long n) { add(y, x, n); }
