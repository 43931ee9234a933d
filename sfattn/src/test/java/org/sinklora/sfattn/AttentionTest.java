package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.sinklora.sfattn.Closeness.assertClose;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;

class AttentionTest {
  private static final CpuDevice DEVICE = new CpuDevice(2);
  private static final TileKernels PLAIN = new PlainTileKernels();
  private static final TileKernels VECTOR = new VectorTileKernels();

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  @ParameterizedTest
  @MethodSource("org.sinklora.sfattn.AttentionCase#all")
  void agreesWithTheDefinition(AttentionCase c) {
    Batch batch = Batch.random(7, c.heads(), c.keyValueHeads(), c.headDim(), c.length());
    Oracle oracle = new Oracle(batch, c.pattern());
    for (TileKernels kernels : List.of(PLAIN, VECTOR)) {
      Batch.Results results = batch.run(DEVICE, kernels, c.pattern());
      String name = kernels.getClass().getSimpleName() + " ";
      assertClose(name + "out", oracle.out, results.out(), 1e-5);
      assertClose(name + "logSumExp", oracle.logSumExp, results.logSumExp(), 1e-5);
      assertClose(name + "dQ", oracle.dQ, results.dQ(), 1e-5);
      assertClose(name + "dK", oracle.dK, results.dK(), 1e-5);
      assertClose(name + "dV", oracle.dV, results.dV(), 1e-5);
    }
  }

  @Test
  void largeScoresNeitherOverflowNorLosePrecision() {
    Batch batch = Batch.random(3, 2, 1, 32, 150);
    for (int i = 0; i < batch.q().length; i++) {
      batch.q()[i] *= 60;
    }
    AttentionPattern pattern = AttentionPattern.sinkFixed(64, 0.5, 4);
    Oracle oracle = new Oracle(batch, pattern);
    Batch.Results results = batch.run(DEVICE, VECTOR, pattern);
    // Scores of some hundreds: float32 itself resolves them to about 3e-5.
    assertClose("out", oracle.out, results.out(), 1e-3);
    assertClose("logSumExp", oracle.logSumExp, results.logSumExp(), 1e-5);
    assertClose("dV", oracle.dV, results.dV(), 1e-3);
  }

  static List<AttentionPattern> patterns() {
    return List.of(
        AttentionPattern.full(),
        AttentionPattern.sinkFixed(64, 0.5, 4),
        AttentionPattern.sinkFixed(22, 0.25, 70),
        AttentionPattern.s2Cyclic(50));
  }

  @ParameterizedTest
  @MethodSource("patterns")
  void packedDocumentsEqualSeparateOnes(AttentionPattern pattern) {
    Batch packed = Batch.random(11, 4, 2, 20, 150, 50, 200, 100);
    Batch.Results together = packed.run(DEVICE, VECTOR, pattern);
    for (int document = 0; document < packed.documents().count(); document++) {
      int from = packed.documents().start(document);
      int to = packed.documents().end(document);
      Batch.Results alone = packed.document(document).run(DEVICE, VECTOR, pattern);
      assertArrayEquals(alone.out(), packed.tokens(together.out(), from, to));
      assertArrayEquals(alone.logSumExp(), packed.tokens(together.logSumExp(), from, to));
      assertArrayEquals(alone.dQ(), packed.tokens(together.dQ(), from, to));
      assertArrayEquals(alone.dK(), packed.tokens(together.dK(), from, to));
      assertArrayEquals(alone.dV(), packed.tokens(together.dV(), from, to));
    }
  }

  @ParameterizedTest
  @MethodSource("patterns")
  void sameBitsOnAnyNumberOfThreads(AttentionPattern pattern) {
    Batch batch = Batch.random(13, 6, 2, 16, 600, 50);
    CpuDevice one = new CpuDevice(1);
    CpuDevice three = new CpuDevice(3);
    try {
      assertSame(batch.run(one, VECTOR, pattern), batch.run(three, VECTOR, pattern));
      assertSame(batch.run(one, PLAIN, pattern), batch.run(three, PLAIN, pattern));
    } finally {
      one.close();
      three.close();
    }
  }

  @Test
  void oneGroupThatHoldsTheDocumentIsFullAttention() {
    Batch batch = Batch.random(17, 4, 2, 32, 200);
    Batch.Results full = batch.run(DEVICE, VECTOR, AttentionPattern.full());
    // Shifted heads have their first border at half a group.
    assertSame(full, batch.run(DEVICE, VECTOR, AttentionPattern.sinkFixed(200, 0, 0)));
    assertSame(full, batch.run(DEVICE, VECTOR, AttentionPattern.sinkFixed(200, 0, 4)));
    assertSame(full, batch.run(DEVICE, VECTOR, AttentionPattern.sinkFixed(400, 0.5, 4)));
    // With more sinks than tokens every key is seen too, in another order.
    Batch.Results sinks = batch.run(DEVICE, VECTOR, AttentionPattern.sinkFixed(22, 0.5, 1000));
    assertClose("out", full.out(), sinks.out(), 2e-6);
    assertClose("dK", full.dK(), sinks.dK(), 2e-6);
  }

  @Test
  void buffersOfEarlierCallsDoNotShowThrough() {
    Batch large = Batch.random(19, 8, 4, 64, 300);
    Batch small = Batch.random(23, 6, 1, 20, 130, 5);
    AttentionPattern many = AttentionPattern.sinkFixed(16, 0.5, 70);
    AttentionPattern few = AttentionPattern.sinkFixed(64, 0.25, 4);
    try (CpuAttention attention = new CpuAttention(DEVICE, VECTOR)) {
      large.run(DEVICE, attention, many);
      assertSame(small.run(DEVICE, VECTOR, few), small.run(DEVICE, attention, few));
      assertSame(small.run(DEVICE, VECTOR, many), small.run(DEVICE, attention, many));
      assertSame(large.run(DEVICE, VECTOR, few), large.run(DEVICE, attention, few));
    }
  }

  @Test
  void readsAndWritesFusedProjectionsInPlace() {
    int tokens = 90;
    int heads = 3;
    int dim = 20;
    int row = heads * 3 * dim;
    Batch batch = Batch.random(29, heads, heads, dim, tokens);
    AttentionPattern pattern = AttentionPattern.sinkFixed(32, 0.5, 4);
    Batch.Results expected = batch.run(DEVICE, VECTOR, pattern);

    // [tokens, heads, (q, k, v), dim], as GPT-NeoX lays it out.
    float[] fused = new float[tokens * row];
    float[][] parts = {batch.q(), batch.k(), batch.v()};
    for (int token = 0; token < tokens; token++) {
      for (int head = 0; head < heads; head++) {
        for (int part = 0; part < 3; part++) {
          System.arraycopy(
              parts[part],
              (token * heads + head) * dim,
              fused,
              token * row + (head * 3 + part) * dim,
              dim);
        }
      }
    }
    try (CpuTensor qkv = Batch.tensor(DEVICE, fused);
        CpuTensor out = Batch.poisoned(DEVICE, tokens * heads * dim);
        CpuTensor logSumExp = Batch.poisoned(DEVICE, tokens * heads);
        CpuTensor dOut = Batch.tensor(DEVICE, batch.dOut());
        CpuTensor dQkv = Batch.poisoned(DEVICE, tokens * row);
        CpuAttention attention = new CpuAttention(DEVICE, VECTOR)) {
      Heads[] in = new Heads[3];
      Heads[] gradients = new Heads[3];
      for (int part = 0; part < 3; part++) {
        in[part] = new Heads(qkv, (long) part * dim, row, 3L * dim, heads, dim);
        gradients[part] = new Heads(dQkv, (long) part * dim, row, 3L * dim, heads, dim);
      }
      Heads outHeads = Heads.contiguous(out, heads, dim);
      attention.forward(pattern, batch.documents(), in[0], in[1], in[2], outHeads, logSumExp);
      attention.backward(
          pattern,
          batch.documents(),
          in[0],
          in[1],
          in[2],
          outHeads,
          logSumExp,
          Heads.contiguous(dOut, heads, dim),
          gradients[0],
          gradients[1],
          gradients[2]);
      assertArrayEquals(expected.out(), out.toArray());
      float[] all = dQkv.toArray();
      float[][] expectedParts = {expected.dQ(), expected.dK(), expected.dV()};
      for (int part = 0; part < 3; part++) {
        float[] unfused = new float[tokens * heads * dim];
        for (int at = 0; at < unfused.length; at++) {
          unfused[at] = all[(at / dim * 3 + part) * dim + at % dim];
        }
        assertArrayEquals(expectedParts[part], unfused);
      }
    }
  }

  @Test
  void namesWhatDoesNotFit() {
    try (CpuTensor data = Batch.tensor(DEVICE, new float[10 * 4 * 8]);
        CpuTensor logSumExp = Batch.tensor(DEVICE, new float[10 * 4]);
        CpuAttention attention = new CpuAttention(DEVICE)) {
      Heads four = Heads.contiguous(data, 4, 8);
      Heads three = Heads.contiguous(data, 3, 8);
      Heads narrow = Heads.contiguous(data, 4, 4);
      Documents ten = Documents.ofLengths(10);
      Documents eleven = Documents.ofLengths(11);
      AttentionPattern full = AttentionPattern.full();
      assertError(
          "4 query heads cannot share 3",
          () -> attention.forward(full, ten, four, three, three, four, logSumExp));
      assertError(
          "k has 4 heads of 4 components, but should have 4 of 8",
          () -> attention.forward(full, ten, four, narrow, four, four, logSumExp));
      assertError(
          "q: the documents have 11 tokens",
          () -> attention.forward(full, eleven, four, four, four, four, logSumExp));
      assertError(
          "logSumExp has 320 elements, but 10 tokens of 4 heads need 40",
          () -> attention.forward(full, ten, four, four, four, four, data));
      assertError(
          "dV has 3 heads",
          () ->
              attention.backward(
                  full, ten, four, four, four, four, logSumExp, four, four, four, three));
      assertError(
          "length=10 is no multiple of groupSize=4",
          () ->
              attention.forward(
                  AttentionPattern.s2Cyclic(4), ten, four, four, four, four, logSumExp));
    }
  }

  private static void assertError(String part, Runnable call) {
    String message = assertThrows(IllegalArgumentException.class, call::run).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static void assertSame(Batch.Results expected, Batch.Results actual) {
    assertTrue(Arrays.equals(expected.out(), actual.out()), "out");
    assertTrue(Arrays.equals(expected.logSumExp(), actual.logSumExp()), "logSumExp");
    assertTrue(Arrays.equals(expected.dQ(), actual.dQ()), "dQ");
    assertTrue(Arrays.equals(expected.dK(), actual.dK()), "dK");
    assertTrue(Arrays.equals(expected.dV(), actual.dV()), "dV");
  }
}
