// Reads a box of 16 rows of 64 bfloat16 numbers through a tensor map, as it lies in shared memory.
// requires: sm_90a

typedef unsigned short bf16;

// The driver's structure; a kernel only hands its address on.
struct alignas(64) TensorMap {
  unsigned long long opaque[16];
};

extern "C" __global__ void readBox(
    const __grid_constant__ TensorMap map, int column, int row, bf16* out) {
  __shared__ alignas(1024) bf16 box[16 * 64];
  __shared__ alignas(8) unsigned long long barrier;
  unsigned to = (unsigned)__cvta_generic_to_shared(box);
  unsigned at = (unsigned)__cvta_generic_to_shared(&barrier);
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(at));
    asm volatile("fence.proxy.async.shared::cta;");
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(16 * 64 * 2));
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
        " [%0], [%1, {%2, %3}], [%4];" ::"r"(to), "l"(&map), "r"(column), "r"(row), "r"(at)
        : "memory");
  }
  __syncthreads();
  unsigned done = 0;
  while (!done) {
    asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], 0;"
        " selp.u32 %0, 1, 0, p; }"
        : "=r"(done)
        : "r"(at)
        : "memory");
  }
  for (int i = threadIdx.x; i < 16 * 64; i += blockDim.x) {
    out[i] = box[i];
  }
}
