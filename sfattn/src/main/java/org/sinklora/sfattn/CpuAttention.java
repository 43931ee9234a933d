package org.sinklora.sfattn;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Scratch;
import org.sinklora.compute.Tensor;

/** Attention on the CPU: the order of the passes and the buffers between them. */
final class CpuAttention implements Attention {
  /** Tokens that one item of a copying loop moves. */
  private static final int COPIED_TOKENS = 128;

  private record PlanKey(AttentionPattern pattern, int heads) {}

  private final CpuDevice device;
  private final TileKernels kernels;
  private final PackedHeads keys = new PackedHeads();
  private final PackedHeads values = new PackedHeads();
  private final PackedHeads keyGradients = new PackedHeads();
  private final PackedHeads valueGradients = new PackedHeads();
  private final Map<PlanKey, WorkPlan> plans = new HashMap<>();
  private Documents planned;
  private float[] logSumExps = {};
  private float[][] sinkGradients = {};

  CpuAttention(CpuDevice device) {
    this(device, TileKernels.best());
  }

  CpuAttention(CpuDevice device, TileKernels kernels) {
    this.device = device;
    this.kernels = kernels;
  }

  @Override
  public void forward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      Tensor logSumExp) {
    AttentionShapes.requireForward(documents, q, k, v, out, logSumExp);
    WorkPlan plan = plan(pattern, documents, q.heads());
    pack(documents.tokens(), k, v);
    float[] totals = logSumExps(logSumExp);
    ForwardPass pass =
        new ForwardPass(
            kernels,
            new HeadRows(q),
            keys,
            values,
            q.heads() / k.heads(),
            new HeadRows(out),
            totals);
    List<WorkItem> items = plan.forward();
    device.forEach(items.size(), (item, scratch) -> pass.run(items.get(item), scratch));
    ((CpuTensor) logSumExp).write(0, totals, 0, (int) logSumExp.size());
  }

  @Override
  public void backward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      Tensor logSumExp,
      Heads dOut,
      Heads dQ,
      Heads dK,
      Heads dV) {
    AttentionShapes.requireForward(documents, q, k, v, out, logSumExp);
    AttentionShapes.requireBackward(documents, q, k, dOut, dQ, dK, dV);
    WorkPlan plan = plan(pattern, documents, q.heads());
    int tokens = documents.tokens();
    pack(tokens, k, v);
    keyGradients.reshape(q.heads(), tokens, keys.stride());
    valueGradients.reshape(q.heads(), tokens, keys.stride());
    if (sinkGradients.length < plan.segmentCount()) {
      sinkGradients = Arrays.copyOf(sinkGradients, plan.segmentCount());
    }
    float[] totals = logSumExps(logSumExp);
    ((CpuTensor) logSumExp).read(0, totals, 0, (int) logSumExp.size());
    BackwardPass pass =
        new BackwardPass(
            kernels,
            new HeadRows(q),
            keys,
            values,
            q.heads() / k.heads(),
            new HeadRows(out),
            totals,
            new HeadRows(dOut),
            new HeadRows(dQ),
            keyGradients,
            valueGradients,
            sinkGradients);
    List<WorkItem> items = plan.backward();
    device.forEach(items.size(), (item, scratch) -> pass.run(items.get(item), scratch));
    device.forEach(plan.headCount(), (item, scratch) -> pass.addSinks(plan.segmentsOfHead(item)));
    unpack(tokens, q.heads(), dK, dV);
  }

  /** Layers of a step share their documents, so plans are kept until these change. */
  private WorkPlan plan(AttentionPattern pattern, Documents documents, int heads) {
    if (documents != planned) {
      plans.clear();
      planned = documents;
    }
    return plans.computeIfAbsent(
        new PlanKey(pattern, heads), key -> new WorkPlan(pattern, documents, heads));
  }

  private float[] logSumExps(Tensor logSumExp) {
    int size = Math.toIntExact(logSumExp.size());
    if (logSumExps.length < size) {
      logSumExps = new float[size];
    }
    return logSumExps;
  }

  private void pack(int tokens, Heads k, Heads v) {
    int stride = kernels.padded(k.headDim());
    keys.reshape(k.heads(), tokens, stride);
    values.reshape(k.heads(), tokens, stride);
    HeadRows keyRows = new HeadRows(k);
    HeadRows valueRows = new HeadRows(v);
    int rowSize = k.heads() * k.headDim();
    forEachBlock(
        tokens,
        (from, to, scratch) -> {
          float[] row = scratch.floats(0, rowSize);
          keys.load(keyRows, from, to, row);
          values.load(valueRows, from, to, row);
        });
  }

  private void unpack(int tokens, int heads, Heads dK, Heads dV) {
    HeadRows keyRows = new HeadRows(dK);
    HeadRows valueRows = new HeadRows(dV);
    int rowSize = dK.heads() * dK.headDim();
    forEachBlock(
        tokens,
        (from, to, scratch) -> {
          float[] row = scratch.floats(0, rowSize);
          keyGradients.storeSums(heads, keyRows, from, to, row);
          valueGradients.storeSums(heads, valueRows, from, to, row);
        });
  }

  @FunctionalInterface
  private interface BlockTask {
    void run(int from, int to, Scratch scratch);
  }

  private void forEachBlock(int tokens, BlockTask task) {
    int blocks = (tokens + COPIED_TOKENS - 1) / COPIED_TOKENS;
    device.forEach(
        blocks,
        (block, scratch) -> {
          int from = block * COPIED_TOKENS;
          task.run(from, Math.min(tokens, from + COPIED_TOKENS), scratch);
        });
  }

  @Override
  public void close() {
    keys.release();
    values.release();
    keyGradients.release();
    valueGradients.release();
    plans.clear();
    planned = null;
    logSumExps = new float[] {};
    sinkGradients = new float[][] {};
  }
}
