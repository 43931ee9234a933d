package org.sinklora.lora;

import static org.sinklora.lora.KeptActivations.ALL;
import static org.sinklora.lora.KeptActivations.ATTENTION;

import org.sinklora.compute.Device;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;

/**
 * A layer of Llama.
 *
 * <pre>
 *   x ─ inputNorm ─ q, k, v ─ rope ─ attention ─ o ─ + ─ postAttentionNorm ─ gate, up ─ swiGlu ─ down ─ + ─ y
 *   └────────────────────────────────────────────────┘└───────────────────────────────────────────────┘
 * </pre>
 *
 * The MLP, which is the widest part, works on a tile of the tokens at a time.
 */
record LlamaBlock(
    int layer,
    LlamaConfig config,
    Norm inputNorm,
    Projections queryKeyValue,
    Linear o,
    Norm postAttentionNorm,
    Projections gateUp,
    Linear down)
    implements Block {
  // Memory of temporaries that are never alive together.
  private static final String NORMED_THEN_D_Q = "normed, d_q";
  private static final String D_ATTENDED_THEN_NORMED = "d_attended, normed";

  /** Elements of the activations above, a token. */
  static ActivationSizes sizes(LlamaConfig config) {
    long hidden = config.hiddenSize();
    long queries = (long) config.numAttentionHeads() * config.headDim();
    long keys = (long) config.numKeyValueHeads() * config.headDim();
    long ffn = config.intermediateSize();
    return new ActivationSizes(
        queries + 2 * keys,
        queries,
        config.numAttentionHeads(),
        hidden,
        2 * ffn,
        2 * Math.max(hidden, queries) + 2 * keys,
        2 * hidden + 2 * ffn);
  }

  @Override
  public void forward(Pass pass, LayerMemory memory, Tensor x, Tensor y) {
    Activations a = activations(pass, memory);
    project(pass, a, x);
    attend(pass, a);
    Tensor middle = memory.keeps(ALL) ? middle(pass, memory) : y;
    o.forwardAdd(pass, a.attended.data(), x, middle);
    for (int from = 0; from < pass.tokens(); from += pass.tileRows()) {
      int to = Math.min(pass.tokens(), from + pass.tileRows());
      mlp(pass.from(from), new Tile(pass, memory, from, to), middle, y, from, to);
    }
  }

  private void project(Pass pass, Activations a, Tensor x) {
    Tensor normed = pass.temporary().tensor(NORMED_THEN_D_Q, x.shape());
    inputNorm.forward(pass, x, normed);
    queryKeyValue.forward(pass, normed, a.q.data(), a.k.data(), a.v.data());
    pass.device().rope(a.q, pass.rope(), pass.positions(), false);
    pass.device().rope(a.k, pass.rope(), pass.positions(), false);
  }

  private void attend(Pass pass, Activations a) {
    pass.attention()
        .forward(
            pass.plan().pattern(layer), pass.documents(), a.q, a.k, a.v, a.attended, a.logSumExp);
  }

  private void mlp(Pass pass, Tile tile, Tensor middle, Tensor y, int from, int to) {
    Tensor residual = middle.rows(from, to);
    Tensor output = middle == y ? residual : y.rows(from, to);
    postAttentionNorm.forward(pass, residual, tile.normed);
    gateUp.forward(pass, tile.normed, tile.gate, tile.up);
    pass.device().swiGlu(tile.gate, tile.up, tile.activated);
    down.forwardAdd(pass, tile.activated, residual, output);
  }

  @Override
  public void backward(
      Pass pass, LayerMemory memory, Tensor x, Tensor gradient, boolean needInputGradient) {
    Activations a = activations(pass, memory);
    Tensor middle = middle(pass, memory);
    if (!memory.keeps(ALL)) {
      project(pass, a, x);
      if (!memory.keeps(ATTENTION)) {
        attend(pass, a);
      }
      o.forwardAdd(pass, a.attended.data(), x, middle);
    }
    for (int from = 0; from < pass.tokens(); from += pass.tileRows()) {
      int to = Math.min(pass.tokens(), from + pass.tileRows());
      mlpBackward(
          pass.from(from),
          new Tile(pass, memory, from, to),
          memory.keeps(ALL),
          middle.rows(from, to),
          gradient.rows(from, to));
    }
    // What the MLP read is spent: its memory takes the gradient of the attention's input.
    attentionBackward(pass, a, x, gradient, middle, needInputGradient);
  }

  /** Turns the gradient of a tile of y into that of the middle. */
  private void mlpBackward(Pass pass, Tile tile, boolean kept, Tensor middle, Tensor gradient) {
    Device device = pass.device();
    Tensor dActivated = pass.temporary().tensor("d_activated", tile.activated.shape());
    Tensor dNormed = pass.temporary().tensor("tile_d_normed", tile.normed.shape());
    postAttentionNorm.forward(pass, middle, tile.normed);
    if (!kept) {
      gateUp.forward(pass, tile.normed, tile.gate, tile.up);
    }
    if (down.readsInputAgain()) {
      device.swiGlu(tile.gate, tile.up, tile.activated);
    }
    down.backward(pass, tile.activated, gradient, dActivated, false);
    // Gate and up are spent and make room for their gradients.
    device.swiGluBackward(dActivated, tile.gate, tile.up, tile.gate, tile.up);
    gateUp.backward(pass, tile.normed, dNormed, tile.gate, tile.up);
    postAttentionNorm.backward(pass, dNormed, middle, gradient);
  }

  private void attentionBackward(
      Pass pass,
      Activations a,
      Tensor x,
      Tensor gradient,
      Tensor dNormed,
      boolean needInputGradient) {
    Device device = pass.device();
    Heads dAttended = gradientOf(D_ATTENDED_THEN_NORMED, pass, a.attended);
    Heads dQ = gradientOf(NORMED_THEN_D_Q, pass, a.q);
    Heads dK = gradientOf("d_k", pass, a.k);
    Heads dV = gradientOf("d_v", pass, a.v);
    o.backward(pass, a.attended.data(), gradient, dAttended.data(), false);
    pass.attention()
        .backward(
            pass.plan().pattern(layer),
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
    Tensor normed = pass.temporary().tensor(D_ATTENDED_THEN_NORMED, x.shape());
    if (needInputGradient || queryKeyValue.readsInputAgain()) {
      inputNorm.forward(pass, x, normed);
    }
    Tensor dInput = needInputGradient ? dNormed : null;
    queryKeyValue.backward(pass, normed, dInput, dQ.data(), dK.data(), dV.data());
    if (needInputGradient) {
      inputNorm.backward(pass, dNormed, x, gradient);
    }
  }

  private static Heads gradientOf(String name, Pass pass, Heads heads) {
    Tensor gradient = pass.temporary().tensor(name, heads.data().shape());
    return Heads.contiguous(gradient, heads.heads(), heads.headDim());
  }

  private record Activations(Heads q, Heads k, Heads v, Heads attended, Tensor logSumExp) {}

  private Activations activations(Pass pass, LayerMemory memory) {
    int n = pass.tokens();
    int heads = config.numAttentionHeads();
    int kvHeads = config.numKeyValueHeads();
    return new Activations(
        heads(memory.of(ALL), "q", n, heads),
        heads(memory.of(ALL), "k", n, kvHeads),
        heads(memory.of(ALL), "v", n, kvHeads),
        heads(memory.of(ATTENTION), "attended", n, heads),
        memory.of(ATTENTION).statistic("log_sum_exp", n, heads));
  }

  private Heads heads(Workspace workspace, String name, int n, int heads) {
    int headDim = config.headDim();
    return Heads.contiguous(workspace.tensor(name, n, (long) heads * headDim), heads, headDim);
  }

  private Tensor middle(Pass pass, LayerMemory memory) {
    return memory.of(ALL).tensor("middle", pass.tokens(), config.hiddenSize());
  }

  /** The MLP's activations of tokens {@code [from, to)}. */
  private final class Tile {
    final Tensor normed;
    final Tensor gate;
    final Tensor up;
    final Tensor activated;

    Tile(Pass pass, LayerMemory memory, int from, int to) {
      int rows = to - from;
      int ffn = config.intermediateSize();
      normed = pass.temporary().tensor("tile_normed", rows, config.hiddenSize());
      if (memory.keeps(ALL)) {
        gate = memory.own().tensor("gate", pass.tokens(), ffn).rows(from, to);
        up = memory.own().tensor("up", pass.tokens(), ffn).rows(from, to);
      } else {
        gate = pass.temporary().tensor("gate", rows, ffn);
        up = pass.temporary().tensor("up", rows, ffn);
      }
      activated = pass.temporary().tensor("activated", rows, ffn);
    }
  }
}
