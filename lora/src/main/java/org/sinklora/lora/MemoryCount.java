package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;

/** Counts the bytes of a training step, tensor by tensor as {@link ModelPass} allocates them. */
final class MemoryCount {
  static final String LAYER_INPUTS = "layer inputs";
  static final String KEPT = "kept for the backward";
  static final String LAYER = "work space of a layer";
  static final String TILE = "work space of the MLP's tile";
  static final String WIDENED = "work space of a quantized linear";
  static final String HEAD = "work space of the loss";

  private final MemoryPlan.Request request;
  private final int tileRows;
  private final ActivationSizes sizes;
  private final AdapterLayout layout;
  private final FlatLayout flat;
  private final long weights;
  private final long widened;

  MemoryCount(MemoryPlan.Request request, int tileRows) {
    Architecture architecture = Architecture.of(request.config());
    this.request = request;
    this.tileRows = tileRows;
    this.sizes = architecture.activationSizes();
    this.layout = AdapterLayout.of(request.adapter(), architecture);
    this.flat = layout.flat(request.adapter(), architecture);
    this.weights = request.quantization().bytes(architecture, request.elementBytes());
    this.widened = request.quantization().largestPacked(architecture) * request.elementBytes();
  }

  boolean fits(List<KeptActivations> layers, boolean parked) {
    return plan(layers, parked).bytes() <= request.capacity();
  }

  /**
   * @param layers what is kept of each layer
   * @param parked whether layer inputs move to the host's memory
   */
  MemoryPlan plan(List<KeptActivations> layers, boolean parked) {
    int element = request.elementBytes();
    List<MemoryPlan.Item> items = new ArrayList<>();
    add(items, MemoryPlan.WEIGHTS, weights);
    add(items, MemoryPlan.ADAPTER, adapter());
    add(items, MemoryPlan.OPTIMIZER, optimizer());
    int count = layers.size();
    add(items, LAYER_INPUTS, layerInput() * LayerInputs.inMemory(count, parked));
    long kept = 0;
    for (KeptActivations level : layers) {
      kept += sizes.kept(level, request.tokens(), element);
    }
    add(items, KEPT, kept);
    add(items, LAYER, layer(layers));
    add(items, TILE, tile(layers));
    add(items, WIDENED, widened);
    add(items, HEAD, head());
    if (request.capacity() != Long.MAX_VALUE) {
      add(items, MemoryPlan.KERNELS, kernels());
    }
    return new MemoryPlan(
        request.tokens(),
        tileRows,
        layers,
        layerInput() * LayerInputs.inHost(count, parked),
        items,
        request.capacity());
  }

  /** Weights, adapter and optimiser: what does not depend on the batch. */
  long fixedBytes() {
    return weights + adapter() + optimizer();
  }

  private long adapter() {
    boolean rounded = request.elementBytes() < Float.BYTES;
    long operands = rounded ? flat.operands() * request.elementBytes() : 0;
    return 2 * flat.size() * Float.BYTES + operands;
  }

  private long optimizer() {
    return 2 * flat.size() * Float.BYTES;
  }

  private static void add(List<MemoryPlan.Item> items, String name, long bytes) {
    if (bytes > 0) {
      items.add(new MemoryPlan.Item(name, bytes));
    }
  }

  private long layerInput() {
    return (long) request.tokens() * request.config().hiddenSize() * request.elementBytes();
  }

  /** The gradient, temporaries, and what layers share that do not keep it. */
  private long layer(List<KeptActivations> layers) {
    long elements = request.config().hiddenSize() + sizes.temporaries();
    long statistics = layerStatistics();
    if (layers.stream().anyMatch(level -> level != KeptActivations.ALL)) {
      elements += sizes.projected() + sizes.middle();
    }
    if (layers.contains(KeptActivations.INPUT)) {
      elements += sizes.attended();
      statistics += sizes.statistics();
    }
    long low = 2 * lowRankRows();
    long dropped = request.adapter().dropout() > 0 ? widestInput() : 0;
    return request.tokens()
        * ((elements + low + dropped) * request.elementBytes() + statistics * Float.BYTES);
  }

  /** Root mean square, or mean and deviation, of a norm. */
  private long layerStatistics() {
    return request.config() instanceof LlamaConfig ? 1 : 2;
  }

  /** Rows of the tallest stack of matrices A. */
  private long lowRankRows() {
    long most = 0;
    for (ModuleSpec module : layout.lora()) {
      most = Math.max(most, request.adapter().rankOf(module.path()));
    }
    for (List<String> paths : Architecture.of(request.config()).sharedInputs()) {
      long rows = 0;
      for (ModuleSpec module : layout.lora()) {
        rows += paths.contains(module.path()) ? request.adapter().rankOf(module.path()) : 0;
      }
      most = Math.max(most, rows);
    }
    return most;
  }

  private long widestInput() {
    return layout.lora().stream().mapToLong(ModuleSpec::in).max().orElse(0);
  }

  private long tile(List<KeptActivations> layers) {
    boolean someComputedAgain = layers.stream().anyMatch(level -> level != KeptActivations.ALL);
    long elements = sizes.tileTemporaries() + (someComputedAgain ? sizes.raised() : 0);
    return Math.min(tileRows, request.tokens()) * elements * request.elementBytes();
  }

  private long head() {
    ModelConfig config = request.config();
    long rows = headRows(request.tokens(), request.logitsElements(), config.vocabSize());
    long elements = rows * (config.vocabSize() + 2L * config.hiddenSize());
    return elements * request.elementBytes() + (long) request.tokens() * Float.BYTES;
  }

  /** Tokens whose logits are in memory at a time. */
  static int headRows(int tokens, long logitsElements, long vocabulary) {
    return (int) Math.min(tokens, Math.max(32, logitsElements / vocabulary));
  }

  /**
   * The attention's backward sums the gradient of the queries in float32 and keeps two numbers a
   * row; where query heads share keys, theirs are summed from one gradient a query head.
   */
  private long kernels() {
    ModelConfig config = request.config();
    long heads = config.numAttentionHeads();
    long queries = heads * config.headDim();
    boolean direct = config.numKeyValueHeads() == heads && request.elementBytes() < Float.BYTES;
    long elements = queries + 2 * heads + (direct ? 0 : 2 * queries);
    return MemoryPlan.kernelBytes() + request.tokens() * elements * Float.BYTES;
  }
}
