package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.sinklora.sfattn.Closeness.assertClose;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;

/** The GPU's kernels against the definition in double precision. */
@Tag("gpu")
class CudaAttentionTest {
  private static CudaDevice float32;
  private static CudaDevice bfloat16;

  @BeforeAll
  static void openDevices() {
    Assumptions.assumeFalse(CudaDevice.list().isEmpty(), CudaDevice::whyNone);
    float32 = CudaDevice.open(0, CudaPrecision.FLOAT32);
    bfloat16 = CudaDevice.open(0, CudaPrecision.BFLOAT16);
  }

  @AfterAll
  static void closeDevices() {
    if (float32 != null) {
      float32.close();
    }
    if (bfloat16 != null) {
      bfloat16.close();
    }
  }

  @ParameterizedTest
  @MethodSource("org.sinklora.sfattn.AttentionCase#all")
  void plainKernelsInFloat32(AttentionCase c) {
    try (CudaAttention attention = new CudaAttention(float32, false)) {
      agrees(c, batch(c), float32, attention, 1e-5);
    }
  }

  @ParameterizedTest
  @MethodSource("org.sinklora.sfattn.AttentionCase#all")
  void plainKernelsInBfloat16(AttentionCase c) {
    try (CudaAttention attention = new CudaAttention(bfloat16, false)) {
      agrees(c, batch(c).inBfloat16(), bfloat16, attention, 2e-2);
    }
  }

  /** The same lengths, groups and sinks with the head dims that tensor cores take. */
  static List<AttentionCase> tensorCoreCases() {
    List<AttentionCase> cases = new ArrayList<>();
    for (AttentionCase c : AttentionCase.all()) {
      if (!(c.pattern() instanceof S2CyclicAttention)) {
        int dim = cases.size() % 2 == 0 ? 128 : 64;
        cases.add(new AttentionCase(c.pattern(), c.length(), c.heads(), c.keyValueHeads(), dim));
      }
    }
    cases.add(new AttentionCase(AttentionPattern.sinkFixed(512, 0.25, 4), 2100, 4, 2, 128));
    return cases;
  }

  @ParameterizedTest
  @MethodSource("tensorCoreCases")
  void tensorCores(AttentionCase c) {
    Assumptions.assumeTrue(bfloat16.info().computeCapability() == 90, "needs Hopper");
    try (CudaAttention attention = new CudaAttention(bfloat16, true)) {
      agrees(c, batch(c).inBfloat16(), bfloat16, attention, 2e-2);
    }
  }

  @Test
  void packedDocumentsOnTensorCores() {
    AttentionPattern pattern = AttentionPattern.sinkFixed(64, 0.5, 4);
    Batch batch = Batch.random(11, 4, 2, 128, 150, 50, 333, 1, 64).inBfloat16();
    Oracle oracle = new Oracle(batch, pattern);
    try (CudaAttention attention = new CudaAttention(bfloat16)) {
      assertResults("", oracle, batch.run(bfloat16, attention, pattern), 2e-2);
    }
  }

  @Test
  void sameInputSameBits() {
    AttentionPattern pattern = AttentionPattern.sinkFixed(256, 0.25, 4);
    Batch batch = Batch.random(12, 8, 4, 128, 1500, 700);
    try (CudaAttention attention = new CudaAttention(bfloat16)) {
      Batch.Results first = batch.run(bfloat16, attention, pattern);
      for (int i = 0; i < 3; i++) {
        Batch.Results again = batch.run(bfloat16, attention, pattern);
        assertArrayEquals(first.out(), again.out());
        assertArrayEquals(first.dQ(), again.dQ());
        assertArrayEquals(first.dK(), again.dK());
        assertArrayEquals(first.dV(), again.dV());
      }
    }
  }

  private static Batch batch(AttentionCase c) {
    return Batch.random(7, c.heads(), c.keyValueHeads(), c.headDim(), c.length());
  }

  private static void agrees(
      AttentionCase c, Batch batch, CudaDevice device, Attention attention, double tolerance) {
    Oracle oracle = new Oracle(batch, c.pattern());
    assertResults(c + " ", oracle, batch.run(device, attention, c.pattern()), tolerance);
  }

  private static void assertResults(
      String name, Oracle oracle, Batch.Results results, double tolerance) {
    assertClose(name + "out", oracle.out, results.out(), tolerance);
    assertClose(name + "logSumExp", oracle.logSumExp, results.logSumExp(), tolerance);
    // dS is a difference of two sums over the head's components that need not be small themselves.
    assertClose(name + "dQ", oracle.dQ, results.dQ(), tolerance, 1);
    assertClose(name + "dK", oracle.dK, results.dK(), tolerance, 1);
    assertClose(name + "dV", oracle.dV, results.dV(), tolerance);
  }
}
