// Operations along the columns of a matrix [rows, c]: a bias on every row, and column sums in two
// steps of fixed order.
//
// Defines: ELEMENT, the type of the matrix; WEIGHT, of the bias; VEC, 8 where all rows begin at
// multiples of 16 bytes and have a multiple of 8 elements, 1 otherwise.
//
// History
// 1. addBias: VEC elements a thread, the bias stays in registers over the rows. Column sums: a
//    thread a column and share of the rows, then 16 threads a column over the shares.
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

// x[row, :] += bias. Grid: x covers c / VEC threads, y shares out the rows.
extern "C" __global__ void addBias(T* x, const W* bias, long long rows, int c) {
  int at = (blockIdx.x * blockDim.x + threadIdx.x) * VEC;
  if (at >= c) {
    return;
  }
  float b[VEC];
  load<VEC>(bias + at, b);
  for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
    float v[VEC];
    load<VEC>(x + row * c + at, v);
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      v[j] += b[j];
    }
    store<VEC>(x + row * c + at, v);
  }
}

// partial[share, column] = sum of x[row, column] over rows share, share + shares, …
// Grid: x covers c threads, y the shares.
extern "C" __global__ void columnSums(const T* x, float* partial, long long rows, int c) {
  int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= c) {
    return;
  }
  float sum = 0.0f;
#pragma unroll 4
  for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
    sum += value(x[row * c + at]);
  }
  partial[(long long)blockIdx.y * c + at] = sum;
}

// target[column] += sum over all parts of partial[part * stride + column].
// Blocks of 512 threads: 32 columns, 16 threads each.
extern "C" __global__ void __launch_bounds__(512) addColumns(
    const float* partial, long long stride, int parts, float* target, int c) {
  __shared__ float sums[16][33];
  int lane = threadIdx.x % 32;
  int share = threadIdx.x / 32;
  int at = blockIdx.x * 32 + lane;
  float sum = 0.0f;
  if (at < c) {
#pragma unroll 8
    for (int part = share; part < parts; part += 16) {
      sum += partial[part * stride + at];
    }
  }
  sums[share][lane] = sum;
  __syncthreads();
  if (share == 0 && at < c) {
    for (int i = 1; i < 16; i++) {
      sum += sums[i][lane];
    }
    target[at] += sum;
  }
}
