package org.sinklora.sfattn;

import java.util.Arrays;
import java.util.Random;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Device;
import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;

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
  Results run(Device device, Attention attention, AttentionPattern pattern) {
    int tokens = documents.tokens();
    try (Tensor queries = activations(device, q);
        Tensor keys = activations(device, k);
        Tensor values = activations(device, v);
        Tensor dOuts = activations(device, dOut);
        Tensor out = activations(device, poison(q.length));
        Tensor logSumExp = device.allocate(tokens * heads);
        Tensor dQ = activations(device, poison(q.length));
        Tensor dK = activations(device, poison(k.length));
        Tensor dV = activations(device, poison(v.length))) {
      device.upload(poison(tokens * heads), 0, logSumExp);
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
          values(device, out),
          values(device, logSumExp),
          values(device, dQ),
          values(device, dK),
          values(device, dV));
    }
  }

  /** The same batch of numbers that bfloat16 holds exactly. */
  Batch inBfloat16() {
    return new Batch(
        documents,
        heads,
        keyValueHeads,
        headDim,
        rounded(q),
        rounded(k),
        rounded(v),
        rounded(dOut));
  }

  private static float[] rounded(float[] values) {
    float[] rounded = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xFFFF0000);
    }
    return rounded;
  }

  private static Tensor activations(Device device, float[] values) {
    Tensor tensor = device.allocateActivations(values.length);
    device.upload(values, 0, tensor);
    return tensor;
  }

  private static float[] values(Device device, Tensor tensor) {
    float[] values = new float[(int) tensor.size()];
    device.download(tensor, values, 0);
    return values;
  }

  private static float[] poison(int size) {
    float[] values = new float[size];
    Arrays.fill(values, Float.NaN);
    return values;
  }

  private Heads queryHeads(Tensor tensor) {
    return Heads.contiguous(tensor, heads, headDim);
  }

  private Heads keyHeads(Tensor tensor) {
    return Heads.contiguous(tensor, keyValueHeads, headDim);
  }

  static CpuTensor tensor(CpuDevice device, float[] values) {
    CpuTensor tensor = (CpuTensor) device.allocate(values.length);
    tensor.write(0, values, 0, values.length);
    return tensor;
  }

  static CpuTensor poisoned(CpuDevice device, int size) {
    return tensor(device, poison(size));
  }
}
