package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.sfattn.Attention;

/**
 * Runs a {@link CausalLm} over batches: logits, losses, gradients.
 *
 * <p>It owns the activations, which are allocated at the first batch and reused. Used by one thread
 * at a time.
 */
public final class ModelPass implements AutoCloseable {
  private final CausalLm model;
  private final Device device;
  private final Attention attention;
  private final boolean gradientCheckpointing;
  private final RopeTables rope;
  private final Workspace temporary;
  private final Workspace layerInputs;
  private final Workspace shared;
  private final List<Workspace> perLayer = new ArrayList<>();
  private int[] targets = {};
  private float[] stepLosses = {};

  /** Keeps all activations for the backward. */
  public ModelPass(CausalLm model) {
    this(model, false);
  }

  /**
   * @param gradientCheckpointing keep only each layer's input and compute the rest again in the
   *     backward: less memory, about a third more time
   */
  public ModelPass(CausalLm model, boolean gradientCheckpointing) {
    this.model = model;
    this.device = model.device();
    this.attention = Attention.on(device);
    this.gradientCheckpointing = gradientCheckpointing;
    this.rope = new RopeTables(model.config());
    this.temporary = new Workspace(device);
    this.layerInputs = new Workspace(device);
    this.shared = new Workspace(device);
    if (!gradientCheckpointing) {
      model.blocks().forEach(block -> perLayer.add(new Workspace(device)));
    }
  }

  /**
   * Loss of each token's prediction of the next one.
   *
   * @return [tokens]; 0 where there is no target
   */
  public float[] losses(TokenBatch batch, AttentionPlan plan) {
    Pass pass = pass(batch, plan, null);
    Tensor normed = finalHidden(pass, false);
    Tensor losses = temporary.statistic("losses", batch.tokens());
    int[] targets = targets(batch);
    forEachChunk(
        batch.tokens(),
        (from, to) -> {
          Tensor logits = logits(pass, normed, from, to);
          device.crossEntropy(logits, targets, from, 0, losses);
        });
    float[] values = new float[batch.tokens()];
    device.download(losses, values, 0);
    return values;
  }

  /**
   * Logits of every token, all at once: for short inputs.
   *
   * @return [tokens, vocabulary]
   */
  public INDArray logits(TokenBatch batch, AttentionPlan plan) {
    Pass pass = pass(batch, plan, null);
    Tensor normed = finalHidden(pass, false);
    int vocabulary = Math.toIntExact(model.head().out());
    float[] all = new float[Math.multiplyExact(batch.tokens(), vocabulary)];
    forEachChunk(
        batch.tokens(),
        (from, to) -> device.download(logits(pass, normed, from, to), all, from * vocabulary));
    return Nd4j.create(all, new long[] {batch.tokens(), vocabulary}, DataType.FLOAT);
  }

  /**
   * Adds the gradients of a batch's summed loss to those of the trained parameters.
   *
   * @param gradientScale what the gradients are multiplied by, one over the number of predictions
   *     for the mean
   * @param dropoutKey seed of the dropout, for example one a step; null drops nothing
   * @return the sum of the losses
   */
  double accumulateGradients(
      TokenBatch batch, AttentionPlan plan, float gradientScale, Long dropoutKey) {
    Pass pass = pass(batch, plan, dropoutKey);
    Tensor normed = finalHidden(pass, true);
    Tensor gradient = temporary.tensor("gradient", normed.shape());
    double loss = headBackward(pass, normed, gradientScale, gradient);
    blocksBackward(pass, gradient);
    return loss;
  }

  /** Loss and gradient of the head and the final norm. */
  private double headBackward(Pass pass, Tensor normed, float gradientScale, Tensor gradient) {
    int tokens = pass.tokens();
    int[] targets = targets(pass.batch());
    if (stepLosses.length < tokens) {
      stepLosses = new float[tokens];
    }
    Tensor losses = temporary.statistic("losses", tokens);
    Tensor dNormed = temporary.tensor("d_normed", normed.shape());
    forEachChunk(
        tokens,
        (from, to) -> {
          Tensor logits = logits(pass, normed, from, to);
          device.crossEntropy(logits, targets, from, gradientScale, losses);
          model
              .head()
              .backward(
                  pass.from(from), normed.rows(from, to), logits, dNormed.rows(from, to), false);
        });
    device.fill(gradient, 0);
    Tensor last = layerInput(pass, model.blocks().size());
    model.finalNorm().backward(pass, shared, dNormed, last, gradient);
    device.download(losses, stepLosses, 0);
    double sum = 0;
    for (int i = 0; i < tokens; i++) {
      sum += stepLosses[i];
    }
    return sum;
  }

  private int[] targets(TokenBatch batch) {
    if (targets.length < batch.tokens()) {
      targets = new int[batch.tokens()];
    }
    batch.targets(targets);
    return targets;
  }

  private void blocksBackward(Pass pass, Tensor gradient) {
    List<Block> blocks = model.blocks();
    boolean embeddingTrained = model.embedding().gradient() != null;
    for (int i = blocks.size() - 1; i >= 0; i--) {
      Tensor x = layerInput(pass, i);
      boolean lastStillThere = i == blocks.size() - 1;
      if (gradientCheckpointing && !lastStillThere) {
        blocks.get(i).forward(pass, saved(i, true), x, null);
      }
      boolean needed = i > 0 || embeddingTrained || blocks.get(i).inputNorm().trained();
      blocks.get(i).backward(pass, saved(i, true), x, gradient, needed);
    }
    if (embeddingTrained) {
      device.embeddingBackward(gradient, pass.batch().ids(), model.embedding().gradient());
    }
  }

  /** The normalised output of the last layer. */
  private Tensor finalHidden(Pass pass, boolean keep) {
    List<Block> blocks = model.blocks();
    Tensor x = layerInput(pass, 0);
    device.embedding(model.embedding().value(), pass.batch().ids(), x);
    for (int i = 0; i < blocks.size(); i++) {
      Tensor y = layerInput(pass, keep ? i + 1 : (i + 1) % 2);
      blocks.get(i).forward(pass, saved(i, keep), x, y);
      x = y;
    }
    Tensor normed = shared.tensor("final_normed", x.shape());
    model.finalNorm().forward(pass, shared, x, normed);
    return normed;
  }

  private Tensor logits(Pass pass, Tensor normed, int from, int to) {
    Tensor logits = temporary.tensor("logits", to - from, model.head().out());
    model.head().forward(pass.from(from), normed.rows(from, to), logits);
    return logits;
  }

  /** A range of tokens. */
  @FunctionalInterface
  private interface Chunk {
    void run(int from, int to);
  }

  private void forEachChunk(int tokens, Chunk chunk) {
    int size = (int) Math.max(32, device.logitsElements() / model.head().out());
    for (int from = 0; from < tokens; from += size) {
      chunk.run(from, Math.min(tokens, from + size));
    }
  }

  private Pass pass(TokenBatch batch, AttentionPlan plan, Long dropoutKey) {
    plan.checkLayers(model.config().numHiddenLayers());
    return new Pass(
        device,
        attention,
        batch,
        batch.documents().positions(),
        rope.upTo(batch.documents().longest()),
        plan,
        dropoutKey,
        0,
        temporary);
  }

  private Tensor layerInput(Pass pass, int layer) {
    return layerInputs.tensor("layer" + layer, pass.tokens(), model.config().hiddenSize());
  }

  private Workspace saved(int layer, boolean keep) {
    return keep && !gradientCheckpointing ? perLayer.get(layer) : shared;
  }

  /** Bytes of all activations and temporaries allocated so far. */
  public long bytes() {
    long floats = temporary.size() + layerInputs.size() + shared.size();
    for (Workspace layer : perLayer) {
      floats += layer.size();
    }
    return floats * Float.BYTES;
  }

  @Override
  public void close() {
    attention.close();
    temporary.close();
    layerInputs.close();
    shared.close();
    perLayer.forEach(Workspace::close);
  }
}
