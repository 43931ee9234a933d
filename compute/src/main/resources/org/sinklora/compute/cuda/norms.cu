// RMSNorm and LayerNorm of the rows of a matrix, and their gradients.
//
// A block holds a row in its threads' registers: memory is read once and written once. Column sums
// (the gradients of weight and bias) are collected by every block over its rows, in a fixed order,
// into a row of `partial`; addColumns of columns.cu adds these up.
//
// Defines: ELEMENT, the type of the rows; WEIGHT, of weight and bias; VEC, 8 where all rows begin
// at multiples of 16 bytes and have a multiple of 8 elements, 1 otherwise; PACKS, so that
// threads * VEC * PACKS >= c.
// Launch: blocks of 32 to 512 threads, a multiple of 32.
//
// History
// 1. A block a row with the row in registers; backward over rows block, block + blocks, … with the
//    column sums in registers too.
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
#ifndef PACKS
#define PACKS 1
#endif

typedef ELEMENT T;
typedef WEIGHT W;

constexpr int OWN = VEC * PACKS;  // elements of a row that a thread holds

__device__ inline int column(int pack) { return (threadIdx.x + pack * blockDim.x) * VEC; }

// A thread's part of a row of c elements; zeros where there is none.
template <class E> __device__ inline void loadRow(const E* row, int c, float* v) {
#pragma unroll
  for (int pack = 0; pack < PACKS; pack++) {
    int at = column(pack);
    if (at < c) {
      load<VEC>(row + at, v + pack * VEC);
    } else {
#pragma unroll
      for (int j = 0; j < VEC; j++) {
        v[pack * VEC + j] = 0.0f;
      }
    }
  }
}

template <class E> __device__ inline void storeRow(E* row, int c, const float* v) {
#pragma unroll
  for (int pack = 0; pack < PACKS; pack++) {
    int at = column(pack);
    if (at < c) {
      store<VEC>(row + at, v + pack * VEC);
    }
  }
}

// Sum over the block, in every thread.
__device__ inline float blockSum(float x) {
  __shared__ float warps[32];
  for (int lane = 16; lane > 0; lane /= 2) {
    x += __shfl_xor_sync(0xffffffffu, x, lane);
  }
  __syncthreads();  // the last call's readers are through
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = x;
  }
  __syncthreads();
  float sum = 0.0f;
  for (int i = 0; i < (int)blockDim.x / 32; i++) {
    sum += warps[i];
  }
  return sum;
}

// y = x / sqrt(mean(x²) + epsilon) weight. One block a row.
extern "C" __global__ void __launch_bounds__(512) rmsNorm(
    const T* x, const W* weight, float epsilon, T* y, float* inverseRms, int c) {
  long long row = blockIdx.x;
  float v[OWN], w[OWN];
  loadRow(x + row * c, c, v);
  loadRow(weight, c, w);
  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    squares += v[i] * v[i];
  }
  float inverse = 1.0f / sqrtf(blockSum(squares) / c + epsilon);
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    v[i] = v[i] * inverse * w[i];
  }
  storeRow(y + row * c, c, v);
  if (threadIdx.x == 0) {
    inverseRms[row] = inverse;
  }
}

// dX += …; partial [blocks, c] unless null. Any number of blocks.
extern "C" __global__ void __launch_bounds__(512) rmsNormBackward(
    const T* dY, const T* x, const W* weight, const float* inverseRms, T* dX, float* partial,
    long long rows, int c) {
  float sums[OWN];
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    sums[i] = 0.0f;
  }
  for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
    float d[OWN], n[OWN], v[OWN];
    loadRow(dY + row * c, c, d);
    loadRow(x + row * c, c, n);
    loadRow(weight, c, v);
    float inverse = inverseRms[row];
    float along = 0.0f;
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      n[i] *= inverse;
      sums[i] += d[i] * n[i];
      d[i] *= v[i];
      along += d[i] * n[i];
    }
    loadRow(dX + row * c, c, v);
    along = blockSum(along) / c;
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      v[i] += inverse * (d[i] - n[i] * along);
    }
    storeRow(dX + row * c, c, v);
  }
  if (partial) {
    storeRow(partial + (long long)blockIdx.x * c, c, sums);
  }
}

// y = (x - mean(x)) / sqrt(var(x) + epsilon) weight + bias. One block a row.
extern "C" __global__ void __launch_bounds__(512) layerNorm(
    const T* x, const W* weight, const W* bias, float epsilon, T* y, float* mean,
    float* inverseDeviation, int c) {
  long long row = blockIdx.x;
  float v[OWN], w[OWN];
  loadRow(x + row * c, c, v);
  loadRow(weight, c, w);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    sum += v[i];
  }
  float shift = blockSum(sum) / c;
  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    v[i] = column(i / VEC) < c ? v[i] - shift : 0.0f;
    squares += v[i] * v[i];
  }
  float inverse = 1.0f / sqrtf(blockSum(squares) / c + epsilon);
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    v[i] *= inverse * w[i];
  }
  loadRow(bias, c, w);
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    v[i] += w[i];
  }
  storeRow(y + row * c, c, v);
  if (threadIdx.x == 0) {
    mean[row] = shift;
    inverseDeviation[row] = inverse;
  }
}

// dX += …; partial [blocks, 2 c] unless null: a block's sums for the weight, then for the bias. Any
// number of blocks.
extern "C" __global__ void __launch_bounds__(512) layerNormBackward(
    const T* dY, const T* x, const W* weight, const float* mean, const float* inverseDeviation,
    T* dX, float* partial, long long rows, int c) {
  float weightSums[OWN], biasSums[OWN];
#pragma unroll
  for (int i = 0; i < OWN; i++) {
    weightSums[i] = biasSums[i] = 0.0f;
  }
  for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
    float d[OWN], n[OWN], v[OWN];
    loadRow(dY + row * c, c, d);
    loadRow(x + row * c, c, n);
    loadRow(weight, c, v);
    float inverse = inverseDeviation[row];
    float shift = mean[row];
    float along = 0.0f, sum = 0.0f;
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      // Beyond the row d is 0, and with it all that n adds to.
      n[i] = (n[i] - shift) * inverse;
      weightSums[i] += d[i] * n[i];
      biasSums[i] += d[i];
      d[i] *= v[i];
      along += d[i] * n[i];
      sum += d[i];
    }
    loadRow(dX + row * c, c, v);
    along = blockSum(along) / c;
    sum = blockSum(sum) / c;
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      v[i] += inverse * (d[i] - sum - n[i] * along);
    }
    storeRow(dX + row * c, c, v);
  }
  if (partial) {
    float* own = partial + 2LL * blockIdx.x * c;
    storeRow(own, c, weightSums);
    storeRow(own + c, c, biasSums);
  }
}
