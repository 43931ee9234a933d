package org.sinklora.sfattn;

import java.util.Arrays;
import java.util.Random;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;

/** Inputs of attention as arrays [tokens, heads, headDim], and how to run it on them. */
record Batch(
    Documents documents,
    int heads,
    int keyValueHeads,
    int headDim,
    float[] q,
    float[] k,
    float[] v,
    float[] dOut) {

  /** What attention computes: the output [tokens, heads, headDim], and so on. */
  record Results(float[] out, float[] logSumExp, float[] dQ, float[] dK, float[] dV) {}

  static Batch random(long seed, int heads, int keyValueHeads, int headDim, int... lengths) {
    Documents documents = Documents.ofLengths(lengths);
    Random random = new Random(seed);
    int queries = documents.tokens() * heads * headDim;
    int keys = documents.tokens() * keyValueHeads * headDim;
    return new Batch(
        documents,
        heads,
        keyValueHeads,
        headDim,
        gaussians(random, queries),
        gaussians(random, keys),
        gaussians(random, keys),
        gaussians(random, queries));
  }

  static float[] gaussians(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** The document alone. */
  Batch document(int document) {
    int from = documents.start(document);
    int to = documents.end(document);
    return new Batch(
        Documents.ofLengths(to - from),
        heads,
        keyValueHeads,
        headDim,
        tokens(q, from, to),
        tokens(k, from, to),
        tokens(v, from, to),
        tokens(dOut, from, to));
  }

  /** Tokens {@code [from, to)} of an array whose outermost axis is the tokens. */
  float[] tokens(float[] values, int from, int to) {
    int size = values.length / documents.tokens();
    return Arrays.copyOfRange(values, from * size, to * size);
  }

  Results run(CpuDevice device, TileKernels kernels, AttentionPattern pattern) {
    try (CpuAttention attention = new CpuAttention(device, kernels)) {
      return run(device, attention, pattern);
    }
  }

  /** Forward and backward; outputs hold NaN before. */
  Results run(CpuDevice device, Attention attention, AttentionPattern pattern) {
    int tokens = documents.tokens();
    try (CpuTensor queries = tensor(device, q);
        CpuTensor keys = tensor(device, k);
        CpuTensor values = tensor(device, v);
        CpuTensor dOuts = tensor(device, dOut);
        CpuTensor out = poisoned(device, q.length);
        CpuTensor logSumExp = poisoned(device, tokens * heads);
        CpuTensor dQ = poisoned(device, q.length);
        CpuTensor dK = poisoned(device, k.length);
        CpuTensor dV = poisoned(device, v.length)) {
      attention.forward(
          pattern,
          documents,
          queryHeads(queries),
          keyHeads(keys),
          keyHeads(values),
          queryHeads(out),
          logSumExp);
      attention.backward(
          pattern,
          documents,
          queryHeads(queries),
          keyHeads(keys),
          keyHeads(values),
          queryHeads(out),
          logSumExp,
          queryHeads(dOuts),
          queryHeads(dQ),
          keyHeads(dK),
          keyHeads(dV));
      return new Results(
          out.toArray(), logSumExp.toArray(), dQ.toArray(), dK.toArray(), dV.toArray());
    }
  }

  private Heads queryHeads(CpuTensor tensor) {
    return Heads.contiguous(tensor, heads, headDim);
  }

  private Heads keyHeads(CpuTensor tensor) {
    return Heads.contiguous(tensor, keyValueHeads, headDim);
  }

  static CpuTensor tensor(CpuDevice device, float[] values) {
    CpuTensor tensor = (CpuTensor) device.allocate(values.length);
    tensor.write(0, values, 0, values.length);
    return tensor;
  }

  static CpuTensor poisoned(CpuDevice device, int size) {
    float[] values = new float[size];
    Arrays.fill(values, Float.NaN);
    return tensor(device, values);
  }
}
