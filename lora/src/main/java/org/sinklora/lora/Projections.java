package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;
import org.sinklora.compute.Tensor;

/** Linears that read one input, such as those of queries, keys and values. */
final class Projections {
  private final List<Linear> plain;
  private final List<Integer> updated;
  private final LoraUpdate lora;

  /**
   * @param plain the linears without their low-rank updates
   * @param updated which of them have one
   * @param lora the updates; null without
   */
  Projections(List<Linear> plain, List<Integer> updated, LoraUpdate lora) {
    this.plain = plain;
    this.updated = updated;
    this.lora = lora;
  }

  /** x [n, in] → one y [n, out] a linear. */
  void forward(Pass pass, Tensor x, Tensor... ys) {
    for (int i = 0; i < ys.length; i++) {
      plain.get(i).forward(pass, x, ys[i]);
    }
    if (lora != null) {
      lora.forward(pass, x, ofUpdated(ys));
    }
  }

  /** Whether the backward reads the input of the forward. */
  boolean readsInputAgain() {
    return lora != null || plain.stream().anyMatch(Linear::readsInputAgain);
  }

  /**
   * Accumulates the gradients of the trained weights.
   *
   * @param x the input of the forward; not read unless {@link #readsInputAgain}
   * @param dX overwritten with the gradient of x; null if nobody needs it
   * @param dYs one a linear
   */
  void backward(Pass pass, Tensor x, Tensor dX, Tensor... dYs) {
    for (int i = 0; i < dYs.length; i++) {
      plain.get(i).backward(pass, x, dYs[i], dX, i > 0);
    }
    if (lora != null) {
      lora.backward(pass, x, ofUpdated(dYs), dX);
    }
  }

  private List<Tensor> ofUpdated(Tensor[] all) {
    List<Tensor> chosen = new ArrayList<>(updated.size());
    for (int i : updated) {
      chosen.add(all[i]);
    }
    return chosen;
  }
}
