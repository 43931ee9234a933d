package org.sinklora.lora;

import java.util.List;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/**
 * The low-rank updates of linears that read one input.
 *
 * <pre>
 *   x [n, in] ── A of q over A of k over A of v [3r, in] ── uᵀ [3r, n] ──┬─ B of q [out, r] · scale ── + y of q
 *                                                                       ├─ B of k …
 *                                                                       └─ B of v …
 * </pre>
 *
 * <p>The matrices A lie one over the other, so that x is read once forward and once backward,
 * however many there are. What lies between A and B is kept transposed: a linear's share of it is
 * then a range of rows, and its gradient a factor of that of all A.
 */
final class LoraUpdate {
  private final List<LoraPair> pairs;
  private final Parameter stackedA;

  /**
   * @param pairs one a linear
   * @param stackedA their A, one over the other
   */
  LoraUpdate(List<LoraPair> pairs, Parameter stackedA) {
    this.pairs = pairs;
    this.stackedA = stackedA;
  }

  /** The update of a single linear. */
  static LoraUpdate of(LoraPair pair) {
    return new LoraUpdate(List.of(pair), pair.a());
  }

  private boolean drops(Pass pass) {
    return pass.drops(pairs.get(0));
  }

  /**
   * Adds the updates.
   *
   * @param ys one a pair
   */
  void forward(Pass pass, Tensor x, List<Tensor> ys) {
    if (!drops(pass)) {
      Tensor u = down(pass, x, stackedA);
      for (int i = 0, row = 0; i < pairs.size(); row += pairs.get(i).rank(), i++) {
        addUp(pass, pairs.get(i), rowsOf(u, pairs.get(i), row), ys.get(i));
      }
      return;
    }
    for (int i = 0; i < pairs.size(); i++) {
      LoraPair pair = pairs.get(i);
      addUp(pass, pair, down(pass, dropped(pass, pair, x), pair.a()), ys.get(i));
    }
  }

  /**
   * Accumulates the gradients of A and B.
   *
   * @param dYs one a pair
   * @param dX accumulates; null if nobody needs it
   */
  void backward(Pass pass, Tensor x, List<Tensor> dYs, Tensor dX) {
    if (!drops(pass)) {
      Tensor u = down(pass, x, stackedA);
      Tensor du = pass.temporary().tensor("lora_du", u.shape());
      for (int i = 0, row = 0; i < pairs.size(); row += pairs.get(i).rank(), i++) {
        LoraPair pair = pairs.get(i);
        upBackward(pass, pair, rowsOf(u, pair, row), dYs.get(i), rowsOf(du, pair, row));
      }
      downBackward(pass, stackedA, x, du);
      if (dX != null) {
        pass.device().matmul(du, true, stackedA.operand(), false, 1, 1, dX);
      }
      return;
    }
    for (int i = 0; i < pairs.size(); i++) {
      backwardDropped(pass, pairs.get(i), x, dYs.get(i), dX);
    }
  }

  private static void backwardDropped(Pass pass, LoraPair pair, Tensor x, Tensor dY, Tensor dX) {
    Tensor input = dropped(pass, pair, x);
    Tensor u = down(pass, input, pair.a());
    Tensor du = pass.temporary().tensor("lora_du", u.shape());
    upBackward(pass, pair, u, dY, du);
    downBackward(pass, pair.a(), input, du);
    if (dX != null) {
      pass.device().matmul(du, true, pair.a().operand(), false, 1, 0, input);
      pass.dropout(pair, input, input);
      pass.device().axpy(1, input, dX);
    }
  }

  private static Tensor rowsOf(Tensor u, LoraPair pair, int row) {
    return u.rows(row, row + pair.rank());
  }

  /** uᵀ = A xᵀ; cheaper to compute again in the backward than to keep for every layer. */
  private static Tensor down(Pass pass, Tensor x, Parameter a) {
    Tensor u = pass.temporary().tensor("lora_u", a.value().dim(0), x.dim(0));
    pass.device().matmul(a.operand(), false, x, true, 1, 0, u);
    return u;
  }

  private static void addUp(Pass pass, LoraPair pair, Tensor u, Tensor y) {
    pass.device().matmul(u, true, pair.b().operand(), true, pair.scale(), 1, y);
  }

  private static void upBackward(Pass pass, LoraPair pair, Tensor u, Tensor dY, Tensor du) {
    Device device = pass.device();
    device.matmul(pair.b().operand(), true, dY, true, pair.scale(), 0, du);
    if (pair.b().gradient() != null) {
      device.matmul(dY, true, u, true, pair.scale(), 1, pair.b().gradient());
    }
  }

  private static void downBackward(Pass pass, Parameter a, Tensor x, Tensor du) {
    if (a.gradient() != null) {
      pass.device().matmul(du, false, x, false, 1, 1, a.gradient());
    }
  }

  private static Tensor dropped(Pass pass, LoraPair pair, Tensor x) {
    Tensor dropped = pass.temporary().tensor("lora_input", x.shape());
    pass.dropout(pair, x, dropped);
    return dropped;
  }
}
