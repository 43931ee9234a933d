package org.sinklora.sfattn;

import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaKernel;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/** Launches plain_attention.cu: any pattern, any head dim up to 256, float32 and bfloat16. */
final class PlainCudaAttention {
  private static final int THREADS = 256;
  private static final int LARGEST_HEAD_DIM = 256;

  private final CudaDevice device;
  private final PlanCache<PlainCudaPlan> plans = new PlanCache<>();

  PlainCudaAttention(CudaDevice device) {
    this.device = device;
  }

  void forward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      CudaTensor logSumExp) {
    PlainCudaPlan plan = plan(pattern, documents, q, k);
    DeviceHeads dq = new DeviceHeads(q);
    DeviceHeads dk = new DeviceHeads(k);
    DeviceHeads dv = new DeviceHeads(v);
    DeviceHeads to = new DeviceHeads(out);
    kernel("plain_forward", q)
        .launch(
            plan.tileCount(),
            1,
            1,
            THREADS,
            sharedBytes(q, 3, 1, 0),
            plan.tiles(),
            dq.data(),
            dq.token(),
            dq.head(),
            dk.data(),
            dk.token(),
            dk.head(),
            dv.data(),
            dv.token(),
            dv.head(),
            to.data(),
            to.token(),
            to.head(),
            logSumExp,
            q.heads(),
            q.heads() / k.heads(),
            q.headDim(),
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
    PlainCudaPlan plan = plan(pattern, documents, q, k);
    long tokens = documents.tokens();
    int heads = q.heads();
    int perKv = heads / k.heads();
    int dim = q.headDim();
    long perHead = tokens * heads * dim;
    CudaTensor delta = device.scratch("attention_delta", ElementType.FLOAT32, tokens * heads);
    CudaTensor keys = device.scratch("attention_d_k", ElementType.FLOAT32, perHead);
    CudaTensor values = device.scratch("attention_d_v", ElementType.FLOAT32, perHead);
    DeviceHeads qs = new DeviceHeads(q);
    DeviceHeads ks = new DeviceHeads(k);
    DeviceHeads vs = new DeviceHeads(v);
    DeviceHeads os = new DeviceHeads(out);
    DeviceHeads dOs = new DeviceHeads(dOut);
    DeviceHeads dQs = new DeviceHeads(dQ);
    kernel("plain_delta", q)
        .launch(
            blocks(tokens * heads * 32),
            1,
            1,
            THREADS,
            0,
            os.data(),
            os.token(),
            os.head(),
            dOs.data(),
            dOs.token(),
            dOs.head(),
            delta,
            tokens,
            heads,
            dim);
    kernel("plain_query_gradients", q)
        .launch(
            plan.tileCount(),
            1,
            1,
            THREADS,
            sharedBytes(q, 4, 1, 0),
            plan.tiles(),
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
            logSumExp,
            delta,
            dQs.data(),
            dQs.token(),
            dQs.head(),
            heads,
            perKv,
            dim,
            scale(q));
    int shared = sharedBytes(q, 4, 2, 2 * PlainCudaPlan.ROWS);
    kernel("plain_key_gradients", q)
        .launch(
            plan.tileCount(),
            1,
            1,
            THREADS,
            shared,
            plan.tiles(),
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
            logSumExp,
            delta,
            keys,
            values,
            heads,
            perKv,
            dim,
            scale(q));
    if (plan.headCount() > 0) {
      kernel("plain_sink_gradients", q)
          .launch(
              plan.headCount(),
              (plan.mostSinks() + PlainCudaPlan.ROWS - 1) / PlainCudaPlan.ROWS,
              1,
              THREADS,
              shared,
              plan.headTiles(),
              plan.tiles(),
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
              logSumExp,
              delta,
              keys,
              values,
              heads,
              perKv,
              dim,
              scale(q));
    }
    joinHeads(keys, dK, tokens, perKv);
    joinHeads(values, dV, tokens, perKv);
  }

  private void joinHeads(CudaTensor perHead, Heads to, long tokens, int perKv) {
    DeviceHeads target = new DeviceHeads(to);
    kernel("plain_group_sums", to)
        .launch(
            blocks(tokens * to.heads() * to.headDim()),
            1,
            1,
            THREADS,
            0,
            perHead,
            target.data(),
            target.token(),
            target.head(),
            tokens,
            to.heads(),
            perKv,
            to.headDim());
  }

  private PlainCudaPlan plan(AttentionPattern pattern, Documents documents, Heads q, Heads k) {
    if (q.headDim() > LARGEST_HEAD_DIM) {
      throw new IllegalArgumentException(
          "Heads have %d components; the GPU's attention takes up to %d"
              .formatted(q.headDim(), LARGEST_HEAD_DIM));
    }
    return plans.get(
        pattern,
        documents,
        q.heads(),
        k.heads(),
        () -> new PlainCudaPlan(device, pattern, documents, q.heads()));
  }

  private CudaKernel kernel(String function, Heads heads) {
    ElementType type = ((CudaTensor) heads.data()).type();
    return device.kernel(
        PlainCudaAttention.class,
        "plain_attention.cu",
        function,
        "ELEMENT=" + (type == ElementType.BFLOAT16 ? "unsigned short" : "float"),
        "DIM=" + paddedDim(heads));
  }

  private static int paddedDim(Heads heads) {
    return (heads.headDim() + 31) / 32 * 32;
  }

  /** Tiles of rows, tiles of probabilities, and single floats. */
  private static int sharedBytes(Heads heads, int rowTiles, int pairTiles, int floats) {
    int rows = PlainCudaPlan.ROWS;
    int stride = paddedDim(heads) + 4;
    return Float.BYTES * (rowTiles * rows * stride + pairTiles * rows * (rows + 1) + floats);
  }

  private static int blocks(long threads) {
    return Math.toIntExact((threads + THREADS - 1) / THREADS);
  }

  private static float scale(Heads q) {
    return (float) (1 / Math.sqrt(q.headDim()));
  }

  void close() {
    plans.clear();
  }
}
