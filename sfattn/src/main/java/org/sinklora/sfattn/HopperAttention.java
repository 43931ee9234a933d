package org.sinklora.sfattn;

import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaKernel;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/** Launches hopper_forward.cu and hopper_backward.cu: bfloat16, head dim 64 or 128. */
final class HopperAttention {
  private static final int THREADS = 256;
  private static final int PERSISTENT_THREADS = 384;

  /** A warp for 16 rows of a query tile. */
  private static final int QUERY_BLOCK_THREADS = 2 * HopperPlan.QUERIES;

  private static final int SINK_BOX = 16;
  private static final int KEY_BOX = 128;

  private final CudaDevice device;
  private final PlanCache<HopperPlan> plans = new PlanCache<>();

  HopperAttention(CudaDevice device) {
    this.device = device;
  }

  /** Whether the kernels can read and write these heads under this pattern. */
  static boolean takes(AttentionPattern pattern, Heads... all) {
    if (pattern instanceof S2CyclicAttention) {
      return false; // Its segments wrap.
    }
    for (Heads heads : all) {
      if ((heads.headDim() != 64 && heads.headDim() != 128)
          || ((CudaTensor) heads.data()).type() != ElementType.BFLOAT16
          || !new DeviceHeads(heads).isAligned()) {
        return false;
      }
    }
    return true;
  }

  void forward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      CudaTensor logSumExp) {
    HopperPlan plan = plan(pattern, documents, q, k);
    int tokens = documents.tokens();
    int dim = q.headDim();
    DeviceHeads qs = new DeviceHeads(q);
    DeviceHeads ks = new DeviceHeads(k);
    DeviceHeads vs = new DeviceHeads(v);
    DeviceHeads to = new DeviceHeads(out);
    kernel("hopper_forward.cu", "attention_forward", dim)
        .launch(
            device.info().multiprocessors(),
            1,
            1,
            PERSISTENT_THREADS,
            forwardSharedBytes(dim),
            qs.map(device, tokens, KEY_BOX),
            ks.map(device, tokens, KEY_BOX),
            vs.map(device, tokens, KEY_BOX),
            ks.map(device, tokens, SINK_BOX),
            vs.map(device, tokens, SINK_BOX),
            plan.forwardItems(),
            plan.forwardOffsets(),
            to.data(),
            to.token(),
            to.head(),
            logSumExp,
            q.heads(),
            q.heads() / k.heads(),
            qs.headInt(),
            ks.headInt(),
            vs.headInt(),
            scale(q));
  }

  void backward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      CudaTensor logSumExp,
      Heads dOut,
      Heads dQ,
      Heads dK,
      Heads dV) {
    HopperPlan plan = plan(pattern, documents, q, k);
    int tokens = documents.tokens();
    int dim = q.headDim();
    int perKv = q.heads() / k.heads();
    long rows = (long) plan.queryTileCount() * HopperPlan.QUERIES;
    CudaTensor logSumExp2 = device.scratch("attention_lse2", ElementType.FLOAT32, rows);
    CudaTensor delta = device.scratch("attention_delta", ElementType.FLOAT32, rows);
    CudaTensor turns = device.scratch("attention_turns", ElementType.INT32, plan.queryTileCount());
    CudaTensor nextItem = device.scratch("attention_next", ElementType.INT32, 1);
    CudaTensor dQLocal = device.scratch("attention_d_q", ElementType.FLOAT32, rows * dim);
    long partialFloats = Math.max(1L, plan.partialRows()) * dim;
    CudaTensor partial = device.scratch("attention_sinks", ElementType.FLOAT32, partialFloats);
    DeviceHeads qs = new DeviceHeads(q);
    DeviceHeads ks = new DeviceHeads(k);
    DeviceHeads vs = new DeviceHeads(v);
    DeviceHeads os = new DeviceHeads(out);
    DeviceHeads dOs = new DeviceHeads(dOut);
    DeviceHeads dQs = new DeviceHeads(dQ);
    DeviceHeads dKs = new DeviceHeads(perKv == 1 ? dK : perHead("attention_d_k", q, tokens));
    DeviceHeads dVs = new DeviceHeads(perKv == 1 ? dV : perHead("attention_d_v", q, tokens));
    kernel("hopper_backward.cu", "attention_backward_statistics", dim)
        .launch(
            plan.queryTileCount(),
            1,
            1,
            THREADS,
            0,
            plan.queryTiles(),
            os.data(),
            os.token(),
            os.head(),
            dOs.data(),
            dOs.token(),
            dOs.head(),
            logSumExp,
            q.heads(),
            logSumExp2,
            delta,
            turns,
            nextItem);
    kernel("hopper_backward.cu", "attention_backward", dim)
        .launch(
            device.info().multiprocessors(),
            1,
            1,
            PERSISTENT_THREADS,
            backwardSharedBytes(dim),
            qs.map(device, tokens, HopperPlan.QUERIES),
            dOs.map(device, tokens, HopperPlan.QUERIES),
            ks.map(device, tokens, KEY_BOX),
            vs.map(device, tokens, KEY_BOX),
            plan.keyTiles(),
            plan.keyTileCount(),
            nextItem,
            logSumExp2,
            delta,
            dQLocal,
            turns,
            dKs.data(),
            dKs.token(),
            dKs.head(),
            dVs.data(),
            dVs.token(),
            dVs.head(),
            perKv,
            qs.headInt(),
            dOs.headInt(),
            ks.headInt(),
            vs.headInt(),
            scale(q));
    kernel("hopper_backward.cu", "attention_backward_queries", dim)
        .launch(
            plan.queryBlockCount(),
            1,
            1,
            QUERY_BLOCK_THREADS,
            0,
            plan.queryBlocks(),
            plan.queryTiles(),
            qs.data(),
            qs.token(),
            qs.head(),
            ks.data(),
            ks.token(),
            ks.head(),
            vs.data(),
            vs.token(),
            vs.head(),
            dOs.data(),
            dOs.token(),
            dOs.head(),
            logSumExp2,
            delta,
            dQLocal,
            dQs.data(),
            dQs.token(),
            dQs.head(),
            partial,
            perKv,
            scale(q));
    if (perKv > 1) {
      joinHeads(dKs, dK, tokens, perKv);
      joinHeads(dVs, dV, tokens, perKv);
    }
    if (plan.sinkRowCount() > 0) {
      DeviceHeads keys = new DeviceHeads(dK);
      DeviceHeads values = new DeviceHeads(dV);
      kernel("hopper_backward.cu", "attention_backward_sinks", dim)
          .launch(
              plan.sinkRowCount(),
              plan.mostSinks(),
              1,
              dim,
              0,
              plan.sinkRows(),
              plan.sinkBlocks(),
              plan.queryBlocks(),
              plan.queryTiles(),
              partial,
              keys.data(),
              keys.token(),
              keys.head(),
              values.data(),
              values.token(),
              values.head(),
              scale(q));
    }
  }

  private Heads perHead(String name, Heads q, int tokens) {
    long size = (long) tokens * q.heads() * q.headDim();
    return Heads.contiguous(
        device.scratch(name, ElementType.BFLOAT16, size), q.heads(), q.headDim());
  }

  private void joinHeads(DeviceHeads perHead, Heads to, long tokens, int perKv) {
    DeviceHeads target = new DeviceHeads(to);
    long threads = tokens * to.heads() * (to.headDim() / 8);
    kernel("hopper_backward.cu", "attention_backward_group_sums", to.headDim())
        .launch(
            Math.toIntExact((threads + THREADS - 1) / THREADS),
            1,
            1,
            THREADS,
            0,
            perHead.data(),
            target.data(),
            target.token(),
            target.head(),
            tokens,
            to.heads(),
            perKv);
  }

  private HopperPlan plan(AttentionPattern pattern, Documents documents, Heads q, Heads k) {
    return plans.get(
        pattern,
        documents,
        q.heads(),
        k.heads(),
        () -> new HopperPlan(device, pattern, documents, q.heads(), k.heads()));
  }

  private CudaKernel kernel(String resource, String function, int dim) {
    return device.kernel(HopperAttention.class, resource, function, "HEAD_DIM=" + dim);
  }

  // The sums of the sources' tiles, their barriers, and room to begin at a multiple of 1,024.

  private static int forwardSharedBytes(int dim) {
    return 1024 + 2 * dim * (KEY_BOX + 4 * KEY_BOX + 2 * SINK_BOX) + 256;
  }

  private static int backwardSharedBytes(int dim) {
    int queries = HopperPlan.QUERIES;
    int operands = 2 * dim * (2 * KEY_BOX + 4 * queries);
    int scores = 2 * 2 * KEY_BOX * queries;
    int gradients = 2 * Float.BYTES * queries * dim;
    int statistics = 4 * Float.BYTES * queries;
    return 1024 + operands + scores + gradients + statistics + 256;
  }

  private static float scale(Heads q) {
    return (float) (1 / Math.sqrt(q.headDim()));
  }

  void close() {
    plans.clear();
  }
}
