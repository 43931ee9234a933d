package org.sinklora.compute.cuda;

import static org.sinklora.compute.cuda.Operands.atLeast;
import static org.sinklora.compute.cuda.Operands.columns;
import static org.sinklora.compute.cuda.Operands.define;
import static org.sinklora.compute.cuda.Operands.float32;
import static org.sinklora.compute.cuda.Operands.floats;
import static org.sinklora.compute.cuda.Operands.rows;

import org.sinklora.compute.Device;

/** Cross-entropy and its gradient. */
final class CudaLoss {
  private static final int LONG_ROW = 4096;

  private final CudaDevice device;
  private final IntArrays arrays;

  CudaLoss(CudaDevice device, IntArrays arrays) {
    this.device = device;
    this.arrays = arrays;
  }

  void crossEntropy(
      CudaTensor logits, int[] targets, int at, float gradientScale, CudaTensor losses) {
    int vocabulary = columns(logits);
    int n = rows(logits);
    float32(losses);
    atLeast(losses, (long) at + n);
    for (int i = at; i < at + n; i++) {
      int target = targets[i];
      if (target != Device.IGNORED && (target < 0 || target >= vocabulary)) {
        throw new IllegalArgumentException(
            "Target %d of token %d is neither in the vocabulary of %d nor %d (no loss)"
                .formatted(target, i, vocabulary, Device.IGNORED));
      }
    }
    int pack = Operands.pack(vocabulary, logits);
    device
        .kernel(
            CudaLoss.class,
            "loss.cu",
            "crossEntropy",
            define("ELEMENT", floats(logits)),
            define("VEC", pack))
        .launch(
            n,
            1,
            1,
            vocabulary >= LONG_ROW ? 512 : 128,
            0,
            logits,
            arrays.onDevice(targets).view(at, n),
            losses.view(at, n),
            vocabulary,
            gradientScale);
  }
}
