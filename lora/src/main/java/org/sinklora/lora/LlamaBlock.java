package org.sinklora.lora;

import org.sinklora.compute.Device;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;
import org.sinklora.sfattn.AttentionPattern;

/**
 * A layer of Llama.
 *
 * <pre>
 *   x ─ inputNorm ─ q, k, v ─ rope ─ attention ─ o ─ + ─ postAttentionNorm ─ gate, up ─ swiGlu ─ down ─ + ─ y
 *   └────────────────────────────────────────────────┘└───────────────────────────────────────────────┘
 * </pre>
 */
record LlamaBlock(
    int layer,
    LlamaConfig config,
    Norm inputNorm,
    Linear q,
    Linear k,
    Linear v,
    Linear o,
    Norm postAttentionNorm,
    Linear gate,
    Linear up,
    Linear down)
    implements Block {

  @Override
  public void forward(Pass pass, Workspace saved, Tensor x, Tensor y) {
    Device device = pass.device();
    AttentionPattern pattern = pass.plan().pattern(layer);
    Activations a = activations(pass, saved);

    inputNorm.forward(pass, saved, x, a.normed);
    q.forward(pass, a.normed, a.q.data());
    k.forward(pass, a.normed, a.k.data());
    v.forward(pass, a.normed, a.v.data());
    device.rope(a.q, pass.rope(), pass.positions(), false);
    device.rope(a.k, pass.rope(), pass.positions(), false);
    pass.attention().forward(pattern, pass.documents(), a.q, a.k, a.v, a.attended, a.logSumExp);
    o.forward(pass, a.attended.data(), a.middle);
    device.axpy(1, x, a.middle);

    postAttentionNorm.forward(pass, saved, a.middle, a.middleNormed);
    gate.forward(pass, a.middleNormed, a.gate);
    up.forward(pass, a.middleNormed, a.up);
    device.swiGlu(a.gate, a.up, a.activated);
    if (y != null) {
      down.forward(pass, a.activated, y);
      device.axpy(1, a.middle, y);
    }
  }

  @Override
  public void backward(
      Pass pass, Workspace saved, Tensor x, Tensor gradient, boolean needInputGradient) {
    Device device = pass.device();
    AttentionPattern pattern = pass.plan().pattern(layer);
    Activations a = activations(pass, saved);
    Tensor dActivated = pass.temporary().tensor("d_activated", a.activated.shape());
    Tensor dNormed = pass.temporary().tensor("d_normed", x.shape());
    Heads dAttended = gradientOf("d_attended", pass, a.attended);
    Heads dQ = gradientOf("d_q", pass, a.q);
    Heads dK = gradientOf("d_k", pass, a.k);
    Heads dV = gradientOf("d_v", pass, a.v);

    // The MLP; gate and up are spent and make room for their gradients.
    down.backward(pass, a.activated, gradient, dActivated, false);
    device.swiGluBackward(dActivated, a.gate, a.up, a.gate, a.up);
    gate.backward(pass, a.middleNormed, a.gate, dNormed, false);
    up.backward(pass, a.middleNormed, a.up, dNormed, true);
    postAttentionNorm.backward(pass, saved, dNormed, a.middle, gradient);

    // Attention.
    o.backward(pass, a.attended.data(), gradient, dAttended.data(), false);
    pass.attention()
        .backward(
            pattern,
            pass.documents(),
            a.q,
            a.k,
            a.v,
            a.attended,
            a.logSumExp,
            dAttended,
            dQ,
            dK,
            dV);
    device.rope(dQ, pass.rope(), pass.positions(), true);
    device.rope(dK, pass.rope(), pass.positions(), true);
    Tensor dInput = needInputGradient ? dNormed : null;
    q.backward(pass, a.normed, dQ.data(), dInput, false);
    k.backward(pass, a.normed, dK.data(), dInput, true);
    v.backward(pass, a.normed, dV.data(), dInput, true);
    if (needInputGradient) {
      inputNorm.backward(pass, saved, dNormed, x, gradient);
    }
  }

  private static Heads gradientOf(String name, Pass pass, Heads heads) {
    Tensor gradient = pass.temporary().tensor(name, heads.data().shape());
    return Heads.contiguous(gradient, heads.heads(), heads.headDim());
  }

  /** What the backward needs of the forward. */
  private record Activations(
      Tensor normed,
      Heads q,
      Heads k,
      Heads v,
      Heads attended,
      Tensor logSumExp,
      Tensor middle,
      Tensor middleNormed,
      Tensor gate,
      Tensor up,
      Tensor activated) {}

  private Activations activations(Pass pass, Workspace saved) {
    int n = pass.tokens();
    int hidden = config.hiddenSize();
    int ffn = config.intermediateSize();
    int heads = config.numAttentionHeads();
    int kvHeads = config.numKeyValueHeads();
    return new Activations(
        saved.tensor("normed", n, hidden),
        heads(saved, "q", n, heads),
        heads(saved, "k", n, kvHeads),
        heads(saved, "v", n, kvHeads),
        heads(saved, "attended", n, heads),
        saved.statistic("log_sum_exp", n, heads),
        saved.tensor("middle", n, hidden),
        saved.tensor("middle_normed", n, hidden),
        saved.tensor("gate", n, ffn),
        saved.tensor("up", n, ffn),
        saved.tensor("activated", n, ffn));
  }

  private Heads heads(Workspace saved, String name, int n, int heads) {
    int headDim = config.headDim();
    return Heads.contiguous(saved.tensor(name, n, (long) heads * headDim), heads, headDim);
  }
}
