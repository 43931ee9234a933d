package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;

class CausalityTest {
  private static final CpuDevice DEVICE = new CpuDevice(2);
  private static final int LENGTH = 96;

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  static List<AttentionPattern> causalPatterns() {
    return List.of(
        AttentionPattern.full(),
        AttentionPattern.sinkFixed(16, 0, 0),
        AttentionPattern.sinkFixed(16, 0.25, 4),
        AttentionPattern.sinkFixed(22, 0.5, 1),
        AttentionPattern.sinkFixed(22, 1, 70),
        AttentionPattern.sinkFixed(64, 0.5, 4));
  }

  @ParameterizedTest
  @MethodSource("causalPatterns")
  void noQuerySeesALaterToken(AttentionPattern pattern) {
    Batch batch = Batch.random(31, 4, 2, 16, LENGTH);
    float[] before = batch.run(DEVICE, TileKernels.best(), pattern).out();
    for (int j = LENGTH - 1; j >= 0; j--) {
      change(batch, j);
      float[] after = batch.run(DEVICE, TileKernels.best(), pattern).out();
      assertArrayEquals(
          batch.tokens(before, 0, j), batch.tokens(after, 0, j), "token " + j + " changed");
      assertFalse(
          Arrays.equals(batch.tokens(before, j, j + 1), batch.tokens(after, j, j + 1)),
          "token " + j + " sees itself");
      before = after;
    }
  }

  /** LongLoRA's issue 15: its first half-group is in one group with the last. */
  @Test
  void cyclicS2LeaksTheEndIntoTheBeginning() {
    AttentionPattern pattern = AttentionPattern.s2Cyclic(16);
    Batch batch = Batch.random(37, 4, 2, 16, LENGTH);
    float[] before = batch.run(DEVICE, TileKernels.best(), pattern).out();
    change(batch, LENGTH - 1);
    float[] after = batch.run(DEVICE, TileKernels.best(), pattern).out();
    int half = 2 * 16;
    for (int token = 0; token < LENGTH; token++) {
      float[] was = batch.tokens(before, token, token + 1);
      float[] is = batch.tokens(after, token, token + 1);
      if (token < LENGTH - 1) {
        assertArrayEquals(
            Arrays.copyOf(was, half), Arrays.copyOf(is, half), "heads that are not rolled");
      }
      boolean rolledHeadsChanged =
          !Arrays.equals(
              Arrays.copyOfRange(was, half, was.length), Arrays.copyOfRange(is, half, is.length));
      assertEquals(token < 8 || token == LENGTH - 1, rolledHeadsChanged, "token " + token);
    }
  }

  private static void change(Batch batch, int token) {
    for (int i = 0; i < batch.heads() * batch.headDim(); i++) {
      batch.q()[token * batch.heads() * batch.headDim() + i] += 1;
    }
    for (int i = 0; i < batch.keyValueHeads() * batch.headDim(); i++) {
      int at = token * batch.keyValueHeads() * batch.headDim() + i;
      batch.k()[at] += 1;
      batch.v()[at] += 1;
    }
  }
}
