package org.sinklora.lora;

import static org.sinklora.lora.KeptActivations.ALL;
import static org.sinklora.lora.KeptActivations.ATTENTION;

import org.sinklora.compute.Device;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;

/**
 * A layer of GPT-NeoX.
 *
 * <pre>
 *   parallel residual:    y = x + dense(attention(inputNorm(x))) + mlp(postAttentionNorm(x))
 *   sequential residual:  m = x + dense(attention(inputNorm(x))),  y = m + mlp(postAttentionNorm(m))
 * </pre>
 *
 * Queries, keys and values are one projection, head by head: [n, heads, (q, k, v), headDim]. The
 * MLP works on a tile of the tokens at a time.
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
  // Memory of temporaries that are never alive together.
  private static final String NORMED_THEN_D_QKV = "normed, d_qkv";
  private static final String D_ATTENDED_THEN_NORMED = "d_attended, normed";

  /** Elements of the activations above, a token. */
  static ActivationSizes sizes(GptNeoXConfig config) {
    long hidden = config.hiddenSize();
    long ffn = config.intermediateSize();
    boolean parallel = config.useParallelResidual();
    return new ActivationSizes(
        3 * hidden,
        hidden,
        config.numAttentionHeads(),
        parallel ? 0 : hidden,
        ffn,
        (parallel ? 6 : 5) * hidden,
        2 * hidden + 2 * ffn);
  }

  @Override
  public void forward(Pass pass, LayerMemory memory, Tensor x, Tensor y) {
    Activations a = activations(pass, memory);
    project(pass, a, x);
    attend(pass, a);
    boolean ownMiddle = memory.keeps(ALL) && !config.useParallelResidual();
    Tensor middle = ownMiddle ? middle(pass, memory) : y;
    dense.forwardAdd(pass, a.attended.data(), x, middle);
    Tensor mlpInput = config.useParallelResidual() ? x : middle;
    for (int from = 0; from < pass.tokens(); from += pass.tileRows()) {
      int to = Math.min(pass.tokens(), from + pass.tileRows());
      Tensor residual = middle.rows(from, to);
      Tensor output = ownMiddle ? y.rows(from, to) : residual;
      mlp(
          pass.from(from),
          new Tile(pass, memory, from, to),
          mlpInput.rows(from, to),
          residual,
          output);
    }
  }

  private void project(Pass pass, Activations a, Tensor x) {
    Tensor normed = pass.temporary().tensor(NORMED_THEN_D_QKV, x.shape());
    inputNorm.forward(pass, x, normed);
    queryKeyValue.forward(pass, normed, a.qkv);
    pass.device().rope(part(a.qkv, 0), pass.rope(), pass.positions(), false);
    pass.device().rope(part(a.qkv, 1), pass.rope(), pass.positions(), false);
  }

  private void attend(Pass pass, Activations a) {
    pass.attention()
        .forward(
            pass.plan().pattern(layer),
            pass.documents(),
            part(a.qkv, 0),
            part(a.qkv, 1),
            part(a.qkv, 2),
            a.attended,
            a.logSumExp);
  }

  private void mlp(Pass pass, Tile tile, Tensor x, Tensor residual, Tensor y) {
    postAttentionNorm.forward(pass, x, tile.normed);
    hTo4h.forward(pass, tile.normed, tile.raised);
    pass.device().gelu(tile.raised, config.gelu(), tile.activated);
    fourHToH.forwardAdd(pass, tile.activated, residual, y);
  }

  @Override
  public void backward(
      Pass pass, LayerMemory memory, Tensor x, Tensor gradient, boolean needInputGradient) {
    Device device = pass.device();
    boolean parallel = config.useParallelResidual();
    Activations a = activations(pass, memory);
    Tensor mlpInput = parallel ? x : middle(pass, memory);
    if (!memory.keeps(ALL)) {
      project(pass, a, x);
      if (!memory.keeps(ATTENTION)) {
        attend(pass, a);
      }
      if (!parallel) {
        dense.forwardAdd(pass, a.attended.data(), x, mlpInput);
      }
    }

    // With the parallel residual the MLP's gradient reaches x past the attention, not through it.
    Tensor dResidual = gradient;
    if (parallel) {
      dResidual = pass.temporary().tensor("d_residual", x.shape());
      device.copy(gradient, dResidual);
    }
    for (int from = 0; from < pass.tokens(); from += pass.tileRows()) {
      int to = Math.min(pass.tokens(), from + pass.tileRows());
      mlpBackward(
          pass.from(from),
          new Tile(pass, memory, from, to),
          memory.keeps(ALL),
          mlpInput.rows(from, to),
          gradient.rows(from, to),
          dResidual.rows(from, to));
    }
    attentionBackward(pass, a, x, gradient, dResidual, needInputGradient);
    if (needInputGradient && parallel) {
      device.copy(dResidual, gradient);
    }
  }

  /** Adds the gradient of the MLP's input, over a tile, to {@code dResidual}. */
  private void mlpBackward(
      Pass pass, Tile tile, boolean kept, Tensor x, Tensor gradient, Tensor dResidual) {
    Device device = pass.device();
    Tensor dActivated = pass.temporary().tensor("d_activated", tile.activated.shape());
    Tensor dNormed = pass.temporary().tensor("tile_d_normed", tile.normed.shape());
    postAttentionNorm.forward(pass, x, tile.normed);
    if (!kept) {
      hTo4h.forward(pass, tile.normed, tile.raised);
    }
    if (fourHToH.readsInputAgain()) {
      device.gelu(tile.raised, config.gelu(), tile.activated);
    }
    fourHToH.backward(pass, tile.activated, gradient, dActivated, false);
    device.geluBackward(dActivated, tile.raised, config.gelu(), dActivated);
    hTo4h.backward(pass, tile.normed, dActivated, dNormed, false);
    postAttentionNorm.backward(pass, dNormed, x, dResidual);
  }

  private void attentionBackward(
      Pass pass,
      Activations a,
      Tensor x,
      Tensor gradient,
      Tensor dResidual,
      boolean needInputGradient) {
    Device device = pass.device();
    Tensor dQkv = pass.temporary().tensor(NORMED_THEN_D_QKV, a.qkv.shape());
    Heads dAttended =
        Heads.contiguous(
            pass.temporary().tensor(D_ATTENDED_THEN_NORMED, x.shape()),
            config.numAttentionHeads(),
            headDim());
    dense.backward(pass, a.attended.data(), gradient, dAttended.data(), false);
    pass.attention()
        .backward(
            pass.plan().pattern(layer),
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
    Tensor normed = pass.temporary().tensor(D_ATTENDED_THEN_NORMED, x.shape());
    if (needInputGradient || queryKeyValue.readsInputAgain()) {
      inputNorm.forward(pass, x, normed);
    }
    Tensor dNormed = pass.temporary().tensor("d_normed", x.shape());
    queryKeyValue.backward(pass, normed, dQkv, needInputGradient ? dNormed : null, false);
    if (needInputGradient) {
      inputNorm.backward(pass, dNormed, x, dResidual);
    }
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

  private record Activations(Tensor qkv, Heads attended, Tensor logSumExp) {}

  private Activations activations(Pass pass, LayerMemory memory) {
    int n = pass.tokens();
    int heads = config.numAttentionHeads();
    int hidden = config.hiddenSize();
    return new Activations(
        memory.of(ALL).tensor("qkv", n, 3L * hidden),
        Heads.contiguous(memory.of(ATTENTION).tensor("attended", n, hidden), heads, headDim()),
        memory.of(ATTENTION).statistic("log_sum_exp", n, heads));
  }

  private Tensor middle(Pass pass, LayerMemory memory) {
    return memory.of(ALL).tensor("middle", pass.tokens(), config.hiddenSize());
  }

  /** The MLP's activations of tokens {@code [from, to)}. */
  private final class Tile {
    final Tensor normed;
    final Tensor raised;
    final Tensor activated;

    Tile(Pass pass, LayerMemory memory, int from, int to) {
      int rows = to - from;
      int ffn = config.intermediateSize();
      normed = pass.temporary().tensor("tile_normed", rows, config.hiddenSize());
      raised =
          memory.keeps(ALL)
              ? memory.own().tensor("raised", pass.tokens(), ffn).rows(from, to)
              : pass.temporary().tensor("raised", rows, ffn);
      activated = pass.temporary().tensor("activated", rows, ffn);
    }
  }
}
