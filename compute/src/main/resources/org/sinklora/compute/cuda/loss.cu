// Cross-entropy of every row of logits with its target, and the gradient in place of the logits.
//
// Defines: ELEMENT, the type of the logits; VEC, 8 where all rows begin at multiples of 16 bytes
// and have a multiple of 8 elements, 1 otherwise.
// Launch: one block a row, 32 to 1024 threads, a multiple of 32.
//
// History
// 1. Largest logit and sum of powers in one read: every thread keeps both and rescales its sum when
//    it meets a larger logit. A second read, which mostly comes from the L2 cache, turns the logits
//    into the gradient; without a gradient there is none. Powers by ex2 of differences from the
//    largest logit: their error is below that of the float32 sum.
//
// follows: elements.cuh

#ifndef ELEMENT
#define ELEMENT bf16
#endif
#ifndef VEC
#define VEC 8
#endif

typedef ELEMENT T;

#define IGNORED -100
#define LOG2_E 1.4426950408889634f
#define MINUS_INFINITY __int_as_float(0xff800000)

// Sum of e^(x - max) over some logits x, max the largest of them.
struct Powers {
  float max, sum;
};

__device__ inline float power(float difference) { return exp2f(difference * LOG2_E); }

__device__ inline Powers joined(Powers a, Powers b) {
  float max = fmaxf(a.max, b.max);
  // Where all logits are minus infinity their differences are no numbers.
  float sum = max == MINUS_INFINITY
      ? a.sum + b.sum
      : a.sum * power(a.max - max) + b.sum * power(b.max - max);
  return {max, sum};
}

__device__ inline Powers warpJoined(Powers own) {
  for (int lane = 16; lane > 0; lane /= 2) {
    Powers other = {
        __shfl_xor_sync(0xffffffffu, own.max, lane), __shfl_xor_sync(0xffffffffu, own.sum, lane)};
    own = joined(own, other);
  }
  return own;
}

// losses[row] = log of the sum of e^logit, minus the target's logit; 0 where the target is ignored.
// The logits stay where gradientScale is 0.
extern "C" __global__ void __launch_bounds__(1024) crossEntropy(
    T* logits, const int* targets, float* losses, int vocabulary, float gradientScale) {
  __shared__ Powers warps[32];
  T* row = logits + (long long)blockIdx.x * vocabulary;
  int target = targets[blockIdx.x];
  if (target == IGNORED) {
    if (threadIdx.x == 0) {
      losses[blockIdx.x] = 0.0f;
    }
    if (gradientScale != 0.0f) {
      float zeros[VEC] = {};
      for (int at = threadIdx.x * VEC; at < vocabulary; at += blockDim.x * VEC) {
        store<VEC>(row + at, zeros);
      }
    }
    return;
  }

  float chosen = value(row[target]);
  Powers own = {MINUS_INFINITY, 0.0f};
#pragma unroll 2
  for (int at = threadIdx.x * VEC; at < vocabulary; at += blockDim.x * VEC) {
    float v[VEC];
    load<VEC>(row + at, v);
    float max = own.max;
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      max = fmaxf(max, v[j]);
    }
    if (max != own.max) {
      own.sum *= power(own.max - max);
      own.max = max;
    }
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      // Minus infinity less minus infinity would be no number; a logit that is none stays one.
      own.sum += v[j] == MINUS_INFINITY ? 0.0f : power(v[j] - max);
    }
  }
  own = warpJoined(own);
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = own;
  }
  __syncthreads();  // also: every thread has read `chosen` before it is overwritten
  if (threadIdx.x < 32) {
    bool there = threadIdx.x < blockDim.x / 32;
    own = warpJoined(there ? warps[threadIdx.x] : Powers{MINUS_INFINITY, 0.0f});
    // All lanes have to have read their warp's part before lane 0 overwrites the first.
    __syncwarp();
    if (threadIdx.x == 0) {
      warps[0] = own;
      losses[blockIdx.x] = logf(own.sum) + (own.max - chosen);
    }
  }
  if (gradientScale == 0.0f) {
    return;
  }
  __syncthreads();
  Powers all = warps[0];
  float scale = gradientScale / all.sum;
  for (int at = threadIdx.x * VEC; at < vocabulary; at += blockDim.x * VEC) {
    float v[VEC];
    load<VEC>(row + at, v);
#pragma unroll
    for (int j = 0; j < VEC; j++) {
      v[j] = power(v[j] - all.max) * scale;
      if (at + j == target) {
        v[j] -= gradientScale;
      }
    }
    store<VEC>(row + at, v);
  }
}
