package org.sinklora.sfattn;

import org.sinklora.compute.Heads;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.CudaTensorMap;

/** Heads in the memory of a GPU, as kernels take them. */
record DeviceHeads(Heads heads) {

  /** From component 0 of head 0 of token 0 on. */
  CudaTensor data() {
    CudaTensor tensor = (CudaTensor) heads.data();
    return heads.offset() == 0
        ? tensor
        : tensor.view(heads.offset(), tensor.size() - heads.offset());
  }

  Long token() {
    return heads.tokenStride();
  }

  Long head() {
    return heads.headStride();
  }

  Integer headInt() {
    return Math.toIntExact(heads.headStride());
  }

  /** Boxes of 64 components of {@code rows} tokens. */
  CudaTensorMap map(CudaDevice device, int tokens, int rows) {
    long columns = (heads.heads() - 1) * heads.headStride() + heads.headDim();
    return device.tensorMap2d(data(), tokens, columns, heads.tokenStride(), rows, 64);
  }

  /** Whether every head begins at a multiple of 16 bytes. */
  boolean isAligned() {
    return data().address() % 16 == 0
        && heads.tokenStride() % 8 == 0
        && heads.headStride() % 8 == 0
        && heads.headStride() * heads.heads() < Integer.MAX_VALUE;
  }
}
