package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaGraph;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;
import org.sinklora.h2o.CudaRowGroups.Run;
import org.sinklora.h2o.CudaRowGroups.Shared;
import org.sinklora.h2o.CudaRowKernels.Mode;
import org.sinklora.lora.ModelConfig;

/**
 * Decodes one token for every sequence of a batch. What changes from token to token lies in the
 * GPU's memory and is moved on there, so that a step of a batch that has been seen before is one
 * graph.
 *
 * <pre>
 *   x ─ norm ─ q, k, v ─ attention ─ o ─ + ─ norm ─ gate, up ─ activation ─ down ─ + ─ x
 *   └──────────────────────────────────────┘└──────────────────────────────────────────┘
 * </pre>
 */
final class CudaStep implements AutoCloseable {
  /** Graphs of that many kinds of batches are kept. */
  private static final int GRAPHS = 16;

  private static final int UNGRAPHED_KINDS = 1024;

  private final CudaDevice device;
  private final CudaShape shape;
  private final int layers;
  private final int vocabulary;
  private final RopeAngles angles;
  private final CudaRowKernels kernels;
  private final CudaStepAttention attention;
  private final List<CudaTensor> own = new ArrayList<>();
  private final CudaTensor rows;
  private final CudaTensor x;
  private final CudaTensor normed;
  private final CudaTensor attended;
  private final CudaTensor activated;
  private final CudaTensor logits;
  private final CudaBuffers extras;
  private final CudaTensor frequencies;
  private final float[] hostFrequencies;
  private final int[] hostRows;
  private final Map<BatchKind, CudaGraph> graphs = new LinkedHashMap<>(16, 0.75f, true);
  private final Set<BatchKind> seen = new HashSet<>();
  private BatchKind kind;

  /**
   * What a graph is made for.
   *
   * @param models of the rows
   * @param attention what the attention kernels were launched with
   */
  private record BatchKind(List<CudaModel> models, CudaStepAttention.Launch attention) {}

  /**
   * @param maxBatch sequences of a step, at most
   */
  CudaStep(CudaDevice device, ModelConfig config, CudaRowKernels kernels, int maxBatch) {
    this.device = device;
    this.shape = CudaShape.of(config);
    this.layers = config.numHiddenLayers();
    this.vocabulary = config.vocabSize();
    this.angles = new RopeAngles(config);
    this.kernels = kernels;
    ElementType type = kernels.type();
    this.rows = allocate(ElementType.INT32, (long) maxBatch * CudaCache.ROW_INTS);
    this.x = allocate(ElementType.FLOAT32, (long) maxBatch * shape.hidden());
    this.normed = allocate(type, (long) maxBatch * shape.hidden());
    this.attended = allocate(type, (long) maxBatch * shape.attendedSize());
    this.activated = allocate(type, (long) maxBatch * config.intermediateSize());
    this.logits = allocate(ElementType.FLOAT32, (long) maxBatch * vocabulary);
    this.frequencies = allocate(ElementType.FLOAT32, (long) maxBatch * shape.pairs());
    this.hostFrequencies = new float[maxBatch * shape.pairs()];
    this.hostRows = new int[maxBatch * CudaCache.ROW_INTS];
    this.extras = new CudaBuffers(device);
    this.attention = new CudaStepAttention(device, shape, angles, kernels, maxBatch);
  }

  private CudaTensor allocate(ElementType type, long elements) {
    CudaTensor tensor = device.allocate(type, elements);
    own.add(tensor);
    return tensor;
  }

  /** [maxBatch, vocabulary] float32. */
  CudaTensor logits() {
    return logits;
  }

  /** What the rows say of the sequences, on the GPU. */
  CudaTensor rows() {
    return rows;
  }

  /** Feeds each sequence its next token. */
  void step(CudaSequence[] batch, int count) {
    put(batch, count);
    again(batch, count);
  }

  /** Tells the GPU where the sequences stand. */
  void put(CudaSequence[] batch, int count) {
    List<CudaModel> models = new ArrayList<>(count);
    boolean changed = false;
    for (int i = 0; i < count; i++) {
      CudaSequence sequence = batch[i];
      models.add(sequence.model());
      changed |= writeFrequencies(sequence.cache().nextRotation(sequence.position()), i);
      sequence
          .cache()
          .writeRow(sequence.nextToken(), sequence.position(), hostRows, i * CudaCache.ROW_INTS);
    }
    device.upload(hostRows, rows.view(0, (long) count * CudaCache.ROW_INTS));
    if (changed) {
      device.upload(hostFrequencies, 0, frequencies);
    }
    kind = new BatchKind(models, attention.prepare(batch, count));
  }

  /** Whether the GPU has other ones; it is dynamic scaling alone that changes them. */
  private boolean writeFrequencies(int place, int row) {
    float[] wanted = angles.frequencies(place + 1);
    int at = row * shape.pairs();
    if (Arrays.equals(wanted, 0, wanted.length, hostFrequencies, at, at + wanted.length)) {
      return false;
    }
    System.arraycopy(wanted, 0, hostFrequencies, at, wanted.length);
    return true;
  }

  /**
   * One step of the batch that the GPU knows by {@link #put}; the tokens are those that were put,
   * or those that the step before has found the most probable.
   */
  void again(CudaSequence[] batch, int count) {
    CudaGraph graph = graphs.get(kind);
    if (graph != null) {
      graph.launch();
    } else if (seen.add(kind)) {
      // Now kernels are compiled and buffers grow, which no capture may see.
      launches(kind);
    } else {
      capture();
    }
    for (int i = 0; i < count; i++) {
      batch[i].cache().stepped(batch[i].position());
      batch[i].advance(1);
    }
    if (seen.size() > UNGRAPHED_KINDS) {
      seen.clear();
    }
  }

  private void capture() {
    if (graphs.size() == GRAPHS) {
      BatchKind oldest = graphs.keySet().iterator().next();
      graphs.remove(oldest).close();
    }
    BatchKind captured = kind;
    CudaGraph graph = device.capture(() -> launches(captured));
    graphs.put(captured, graph);
    graph.launch();
  }

  /** Forgets all graphs: memory that they know of is about to go. */
  void forgetGraphs() {
    graphs.values().forEach(CudaGraph::close);
    graphs.clear();
    seen.clear();
  }

  private void launches(BatchKind batch) {
    CudaRowGroups groups = new CudaRowGroups(batch.models());
    int count = batch.models().size();
    for (Run run : groups.runs()) {
      kernels.embed(
          rows.view((long) run.from() * CudaCache.ROW_INTS, (long) run.rows() * CudaCache.ROW_INTS),
          CudaCache.ROW_INTS,
          run.rows(),
          run.model().embedding(),
          of(x, run, shape.hidden()));
    }
    attention.start(rows, frequencies, count);
    for (int layer = 0; layer < layers; layer++) {
      layer(groups, batch, layer, count);
    }
    norm(groups, CudaModel::finalNorm);
    linear(groups, model -> List.of(model.head()), Mode.STORE, normed, logits, vocabulary);
    attention.finish(rows, logits, vocabulary, count);
  }

  private void layer(CudaRowGroups groups, BatchKind batch, int layer, int count) {
    norm(groups, model -> model.layers().get(layer).inputNorm());
    linear(
        groups,
        model -> model.layers().get(layer).attentionInputs(),
        Mode.STORE,
        normed,
        attention.qkv(),
        shape.qkvSize());
    attention.run(rows, layer, count, batch.attention(), attended);
    if (shape.parallelResidual()) {
      // The MLP reads the layer's input: before attention is added to it.
      norm(groups, model -> model.layers().get(layer).postAttentionNorm());
    }
    linear(
        groups,
        model -> List.of(model.layers().get(layer).attentionOutput()),
        Mode.RESIDUAL,
        attended,
        x,
        shape.hidden());
    if (!shape.parallelResidual()) {
      norm(groups, model -> model.layers().get(layer).postAttentionNorm());
    }
    linear(
        groups,
        model -> model.layers().get(layer).mlpInputs(),
        Mode.of(shape.gelu()),
        normed,
        activated,
        Math.toIntExact(activated.size() / maxBatch()));
    linear(
        groups,
        model -> List.of(model.layers().get(layer).mlpOutput()),
        Mode.RESIDUAL,
        activated,
        x,
        shape.hidden());
  }

  private int maxBatch() {
    return hostRows.length / CudaCache.ROW_INTS;
  }

  private static CudaTensor of(CudaTensor tensor, Run run, int columns) {
    return tensor.view((long) run.from() * columns, (long) run.rows() * columns);
  }

  private void norm(CudaRowGroups groups, NormOfModel norm) {
    for (Run run : groups.runs()) {
      kernels.norm(
          norm.of(run.model()),
          of(x, run, shape.hidden()),
          run.rows(),
          of(normed, run, shape.hidden()));
    }
  }

  @FunctionalInterface
  private interface NormOfModel {
    CudaNorm of(CudaModel model);
  }

  @FunctionalInterface
  private interface LinearsOfModel {
    List<CudaLinear> of(CudaModel model);
  }

  private void linear(
      CudaRowGroups groups,
      LinearsOfModel linears,
      Mode mode,
      CudaTensor in,
      CudaTensor y,
      int yColumns) {
    for (Shared shared : groups.sharing(linears::of)) {
      List<CudaLinear> any = linears.of(shared.runs().get(0).model());
      int inColumns = any.get(0).weight().in();
      int from = shared.from();
      kernels.linear(
          any,
          mode,
          in.view((long) from * inColumns, (long) shared.rows() * inColumns),
          shared.rows(),
          addend(shared, linears, in, inColumns),
          y.view((long) from * yColumns, (long) shared.rows() * yColumns));
    }
  }

  /** Biases and low-rank updates of the rows; null where none of them has any. */
  private CudaTensor addend(Shared shared, LinearsOfModel linears, CudaTensor in, int inColumns) {
    boolean needed =
        shared.runs().stream()
            .anyMatch(run -> linears.of(run.model()).stream().anyMatch(CudaLinear::hasExtra));
    if (!needed) {
      return null;
    }
    int columns = CudaRowKernels.columns(linears.of(shared.runs().get(0).model()));
    CudaTensor all =
        extras.get("addend" + columns, ElementType.FLOAT32, (long) maxBatch() * columns);
    for (Run run : shared.runs()) {
      List<CudaLinear> ofRun = linears.of(run.model());
      int ranks = Math.max(1, ofRun.stream().mapToInt(CudaLinear::rank).sum());
      CudaTensor u = extras.get("u" + ranks, ElementType.FLOAT32, (long) maxBatch() * ranks);
      kernels.loraDown(ofRun, of(in, run, inColumns), run.rows(), u);
      int first = run.from() - shared.from();
      kernels.loraUp(
          ofRun, u, run.rows(), all.view((long) first * columns, (long) run.rows() * columns));
    }
    return all.view(0, (long) shared.rows() * columns);
  }

  @Override
  public void close() {
    forgetGraphs();
    attention.close();
    extras.close();
    own.forEach(CudaTensor::close);
  }
}
