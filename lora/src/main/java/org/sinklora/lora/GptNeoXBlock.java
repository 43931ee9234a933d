package org.sinklora.lora;

import org.sinklora.compute.Device;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;
import org.sinklora.sfattn.AttentionPattern;

/**
 * A layer of GPT-NeoX.
 *
 * <pre>
 *   parallel residual:    y = x + dense(attention(inputNorm(x))) + mlp(postAttentionNorm(x))
 *   sequential residual:  m = x + dense(attention(inputNorm(x))),  y = m + mlp(postAttentionNorm(m))
 * </pre>
 *
 * Queries, keys and values are one projection, head by head: [n, heads, (q, k, v), headDim].
 */
record GptNeoXBlock(
    int layer,
    GptNeoXConfig config,
    Norm inputNorm,
    Linear queryKeyValue,
    Linear dense,
    Norm postAttentionNorm,
    Linear hTo4h,
    Linear fourHToH)
    implements Block {

  @Override
  public void forward(Pass pass, Workspace saved, Tensor x, Tensor y) {
    Device device = pass.device();
    AttentionPattern pattern = pass.plan().pattern(layer);
    Activations a = activations(pass, saved, x);

    inputNorm.forward(pass, saved, x, a.normed);
    queryKeyValue.forward(pass, a.normed, a.qkv);
    device.rope(part(a.qkv, 0), pass.rope(), pass.positions(), false);
    device.rope(part(a.qkv, 1), pass.rope(), pass.positions(), false);
    pass.attention()
        .forward(
            pattern,
            pass.documents(),
            part(a.qkv, 0),
            part(a.qkv, 1),
            part(a.qkv, 2),
            a.attended,
            a.logSumExp);
    dense.forward(pass, a.attended.data(), a.middle);
    device.axpy(1, x, a.middle);

    postAttentionNorm.forward(pass, saved, mlpInput(x, a), a.middleNormed);
    hTo4h.forward(pass, a.middleNormed, a.raised);
    device.gelu(a.raised, config.gelu(), a.activated);
    if (y != null) {
      fourHToH.forward(pass, a.activated, y);
      device.axpy(1, a.middle, y);
    }
  }

  @Override
  public void backward(
      Pass pass, Workspace saved, Tensor x, Tensor gradient, boolean needInputGradient) {
    Device device = pass.device();
    AttentionPattern pattern = pass.plan().pattern(layer);
    Activations a = activations(pass, saved, x);
    Tensor dActivated = pass.temporary().tensor("d_activated", a.activated.shape());
    Tensor dNormed = pass.temporary().tensor("d_normed", x.shape());
    Tensor dQkv = pass.temporary().tensor("d_qkv", a.qkv.shape());
    Heads dAttended =
        Heads.contiguous(
            pass.temporary().tensor("d_attended", x.shape()),
            config.numAttentionHeads(),
            headDim());

    // With the parallel residual the MLP's gradient reaches x past the attention, not through it.
    Tensor dResidual = gradient;
    if (config.useParallelResidual()) {
      dResidual = pass.temporary().tensor("d_residual", x.shape());
      device.copy(gradient, dResidual);
    }
    fourHToH.backward(pass, a.activated, gradient, dActivated, false);
    device.geluBackward(dActivated, a.raised, config.gelu(), dActivated);
    hTo4h.backward(pass, a.middleNormed, dActivated, dNormed, false);
    postAttentionNorm.backward(pass, saved, dNormed, mlpInput(x, a), dResidual);

    dense.backward(pass, a.attended.data(), gradient, dAttended.data(), false);
    pass.attention()
        .backward(
            pattern,
            pass.documents(),
            part(a.qkv, 0),
            part(a.qkv, 1),
            part(a.qkv, 2),
            a.attended,
            a.logSumExp,
            dAttended,
            part(dQkv, 0),
            part(dQkv, 1),
            part(dQkv, 2));
    device.rope(part(dQkv, 0), pass.rope(), pass.positions(), true);
    device.rope(part(dQkv, 1), pass.rope(), pass.positions(), true);
    queryKeyValue.backward(pass, a.normed, dQkv, needInputGradient ? dNormed : null, false);
    if (needInputGradient) {
      inputNorm.backward(pass, saved, dNormed, x, dResidual);
      if (config.useParallelResidual()) {
        device.copy(dResidual, gradient);
      }
    }
  }

  private Tensor mlpInput(Tensor x, Activations a) {
    return config.useParallelResidual() ? x : a.middle;
  }

  private int headDim() {
    return config.hiddenSize() / config.numAttentionHeads();
  }

  /** Queries (0), keys (1) or values (2) inside the fused projection. */
  private Heads part(Tensor qkv, int part) {
    int headDim = headDim();
    int heads = config.numAttentionHeads();
    return new Heads(
        qkv, (long) part * headDim, 3L * heads * headDim, 3L * headDim, heads, headDim);
  }

  /** What the backward needs of the forward. */
  private record Activations(
      Tensor normed,
      Tensor qkv,
      Heads attended,
      Tensor logSumExp,
      Tensor middle,
      Tensor middleNormed,
      Tensor raised,
      Tensor activated) {}

  private Activations activations(Pass pass, Workspace saved, Tensor x) {
    int n = pass.tokens();
    int heads = config.numAttentionHeads();
    return new Activations(
        saved.tensor("normed", x.shape()),
        saved.tensor("qkv", n, 3L * config.hiddenSize()),
        Heads.contiguous(saved.tensor("attended", x.shape()), heads, headDim()),
        saved.statistic("log_sum_exp", n, heads),
        saved.tensor("middle", x.shape()),
        saved.tensor("middle_normed", x.shape()),
        saved.tensor("raised", n, config.intermediateSize()),
        saved.tensor("activated", n, config.intermediateSize()));
  }
}
