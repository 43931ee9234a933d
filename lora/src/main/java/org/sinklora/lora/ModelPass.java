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
  private final MemoryPolicy memoryPolicy;
  private final RopeTables rope;
  private final Workspace temporary;
  private final LayerInputs layerInputs;
  private final Workspace shared;
  private final List<Workspace> perLayer = new ArrayList<>();
  private MemoryPlan memoryPlan;
  private int[] targets = {};
  private float[] stepLosses = {};

  /** Keeps as much for the backward as fits. */
  public ModelPass(CausalLm model) {
    this(model, new MemoryPolicy(GradientCheckpointing.AUTO, 0));
  }

  /**
   * @param gradientCheckpointing keep only each layer's input and compute the rest again in the
   *     backward: less memory, about a third more time; otherwise keep all
   */
  public ModelPass(CausalLm model, boolean gradientCheckpointing) {
    this(
        model,
        new MemoryPolicy(
            gradientCheckpointing ? GradientCheckpointing.ON : GradientCheckpointing.OFF, 0));
  }

  ModelPass(CausalLm model, MemoryPolicy memoryPolicy) {
    this.model = model;
    this.device = model.device();
    this.attention = Attention.on(device);
    this.memoryPolicy = memoryPolicy;
    this.rope = new RopeTables(model.config());
    this.temporary = new Workspace(device);
    this.layerInputs = new LayerInputs(device, model.blocks().size());
    this.shared = new Workspace(device);
    model.blocks().forEach(block -> perLayer.add(new Workspace(device)));
  }

  /** What training keeps in memory for the largest batch so far; null before the first. */
  MemoryPlan memoryPlan() {
    return memoryPlan;
  }

  /** Runs as planned from now on. */
  void follow(MemoryPlan plan) {
    closeActivations();
    memoryPlan = plan;
  }

  /**
   * Loss of each token's prediction of the next one.
   *
   * @return [tokens]; 0 where there is no target
   */
  public float[] losses(TokenBatch batch, AttentionPlan plan) {
    Pass pass = pass(batch, plan, null);
    Tensor hidden = hidden(pass, false);
    Tensor losses = temporary.statistic("losses", batch.tokens());
    int[] targets = targets(batch);
    forEachChunk(
        batch.tokens(),
        (from, to) -> {
          Tensor logits = logits(pass, hidden, from, to);
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
    float[] all = logitsArray(batch, plan);
    return Nd4j.create(
        all, new long[] {batch.tokens(), all.length / batch.tokens()}, DataType.FLOAT);
  }

  /**
   * The same without ND4J.
   *
   * @return [tokens, vocabulary], row by row
   */
  public float[] logitsArray(TokenBatch batch, AttentionPlan plan) {
    Pass pass = pass(batch, plan, null);
    Tensor hidden = hidden(pass, false);
    int vocabulary = Math.toIntExact(model.head().out());
    float[] all = new float[Math.multiplyExact(batch.tokens(), vocabulary)];
    forEachChunk(
        batch.tokens(),
        (from, to) -> device.download(logits(pass, hidden, from, to), all, from * vocabulary));
    return all;
  }

  /**
   * Adds the gradients of a batch's summed loss to those of the trained parameters.
   *
   * @param gradientScale what the gradients are multiplied by, one over the number of predictions
   *     for the mean
   * @param dropoutKey seed of the dropout, for example one a step; null drops nothing
   * @return the sum of the losses
   * @throws IllegalStateException if the device's memory has no room for the batch
   */
  double accumulateGradients(
      TokenBatch batch, AttentionPlan plan, float gradientScale, Long dropoutKey) {
    planMemory(batch.tokens());
    Pass pass = pass(batch, plan, dropoutKey);
    Tensor hidden = hidden(pass, true);
    Tensor gradient = temporary.tensor("gradient", hidden.shape());
    Tensor losses = temporary.statistic("losses", batch.tokens());
    headBackward(pass, hidden, gradientScale, losses, gradient);
    blocksBackward(pass, gradient);
    // Last of all: the device has all its work by now, and nobody waits for less than the whole.
    return sum(losses);
  }

  private void planMemory(int tokens) {
    if (memoryPlan == null || tokens > memoryPlan.tokens()) {
      closeActivations();
      memoryPlan = memoryPolicy.plan(model, tokens);
    }
  }

  private double sum(Tensor losses) {
    int tokens = Math.toIntExact(losses.size());
    if (stepLosses.length < tokens) {
      stepLosses = new float[tokens];
    }
    device.download(losses, stepLosses, 0);
    double sum = 0;
    for (int i = 0; i < tokens; i++) {
      sum += stepLosses[i];
    }
    return sum;
  }

  /**
   * Loss and gradient of the head and the final norm, a chunk of the tokens at a time: neither
   * logits nor what they are made of exist as a whole.
   */
  private void headBackward(
      Pass pass, Tensor hidden, float gradientScale, Tensor losses, Tensor gradient) {
    int[] targets = targets(pass.batch());
    device.fill(gradient, 0);
    forEachChunk(
        pass.tokens(),
        (from, to) -> {
          Tensor x = hidden.rows(from, to);
          Tensor normed = temporary.tensor("final_normed", x.shape());
          Tensor dNormed = temporary.tensor("d_final_normed", x.shape());
          Tensor logits = logits(pass, hidden, from, to);
          device.crossEntropy(logits, targets, from, gradientScale, losses);
          model.head().backward(pass.from(from), normed, logits, dNormed, false);
          model.finalNorm().backward(pass, dNormed, x, gradient.rows(from, to));
        });
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
      boolean needed = i > 0 || embeddingTrained || blocks.get(i).inputNorm().trained();
      Tensor x = layerInputs.input(i);
      blocks.get(i).backward(pass, memoryOfBackward(i), x, gradient, needed);
    }
    if (embeddingTrained) {
      device.embeddingBackward(gradient, pass.batch().ids(), model.embedding().gradient());
    }
  }

  /**
   * The output of the last layer.
   *
   * @param keep for a backward
   */
  private Tensor hidden(Pass pass, boolean keep) {
    List<Block> blocks = model.blocks();
    int hidden = model.config().hiddenSize();
    if (keep) {
      layerInputs.train(memoryPlan, pass.tokens(), hidden);
    } else {
      layerInputs.evaluate(pass.tokens(), hidden);
    }
    Tensor x = layerInputs.output(0);
    device.embedding(model.embedding().value(), pass.batch().ids(), x);
    layerInputs.written(0);
    for (int i = 0; i < blocks.size(); i++) {
      Tensor y = layerInputs.output(i + 1);
      KeptActivations kept = keep ? memoryPlan.layers().get(i) : KeptActivations.INPUT;
      blocks.get(i).forward(pass, new LayerMemory(kept, perLayer.get(i), shared), x, y);
      layerInputs.written(i + 1);
      x = y;
    }
    return x;
  }

  private LayerMemory memoryOfBackward(int layer) {
    KeptActivations kept = memoryPlan.layers().get(layer);
    boolean last = layer == model.blocks().size() - 1;
    if (last && kept == KeptActivations.INPUT) {
      // No other layer came after it: what its attention made is still in the shared memory.
      return new LayerMemory(KeptActivations.ATTENTION, shared, shared);
    }
    return new LayerMemory(kept, perLayer.get(layer), shared);
  }

  private Tensor logits(Pass pass, Tensor hidden, int from, int to) {
    Tensor x = hidden.rows(from, to);
    Tensor normed = temporary.tensor("final_normed", x.shape());
    model.finalNorm().forward(pass, x, normed);
    Tensor logits = temporary.tensor("logits", to - from, model.head().out());
    model.head().forward(pass.from(from), normed, logits);
    return logits;
  }

  /** A range of tokens. */
  @FunctionalInterface
  private interface Chunk {
    void run(int from, int to);
  }

  private void forEachChunk(int tokens, Chunk chunk) {
    int size = MemoryCount.headRows(tokens, device.logitsElements(), model.head().out());
    for (int from = 0; from < tokens; from += size) {
      chunk.run(from, Math.min(tokens, from + size));
    }
  }

  private Pass pass(TokenBatch batch, AttentionPlan plan, Long dropoutKey) {
    plan.checkLayers(model.config().numHiddenLayers());
    if (model.adapter() != null) {
      model.adapter().flat().refreshOperands();
    }
    return new Pass(
        device,
        attention,
        batch,
        batch.documents().positions(),
        rope.upTo(batch.documents().longest()),
        plan,
        dropoutKey,
        0,
        tileRows(batch.tokens()),
        temporary);
  }

  private int tileRows(int tokens) {
    return memoryPlan != null
        ? memoryPlan.tileRows()
        : MemoryPlan.tileRows(tokens, device.freeBytes());
  }

  /** Bytes of all activations and temporaries allocated so far. */
  public long bytes() {
    long bytes = temporary.bytes() + layerInputs.bytes() + shared.bytes();
    for (Workspace layer : perLayer) {
      bytes += layer.bytes();
    }
    return bytes;
  }

  private void closeActivations() {
    layerInputs.close();
    temporary.close();
    shared.close();
    perLayer.forEach(Workspace::close);
  }

  @Override
  public void close() {
    attention.close();
    closeActivations();
  }
}
