package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sinklora.lora.ParameterRows;
import org.sinklora.lora.safetensors.FloatBits;

class RoundValuesTest {
  private static final int TOKENS = 3000;
  private static final int WIDTH = 64;
  private static final int BEFORE = 8 * WIDTH;
  private static final RowLayout LAYOUT =
      new RowLayout(
          List.of(
              new ParameterRows("a", 8, WIDTH),
              new ParameterRows("embedding", TOKENS, WIDTH),
              new ParameterRows("norm", 1, WIDTH)));

  private static float[] random(long seed) {
    Random random = new Random(seed);
    float[] values = new float[LAYOUT.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Values of which every row but some of the embedding changed. */
  private static float[] changed(float[] initial, int every) {
    float[] values = random(2);
    for (int token = 0; token < TOKENS; token++) {
      if (token % every != 0) {
        int at = BEFORE + token * WIDTH;
        System.arraycopy(initial, at, values, at, WIDTH);
      }
    }
    return values;
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, 1", "FLOAT32, 2", "FLOAT32, 100", "BFLOAT16, 1", "BFLOAT16, 100"})
  void arrivesAsIfAllRowsTravelled(Communication type, int every) throws Exception {
    float[] initial = random(1);
    float[] values = changed(initial, every);
    float[] expected = values.clone();
    type.round(expected);

    RoundValues wire = RoundValues.of(LAYOUT, type, values.clone(), initial);
    assertArrayEquals(expected, wire.all(initial), "in the process");
    byte[] bytes = serialised(wire);
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
      assertArrayEquals(expected, ((RoundValues) in.readObject()).all(initial), "sent");
    }
    long rows = 8 + 1 + (TOKENS + every - 1) / every;
    long payload = rows * WIDTH * type.bytes();
    assertTrue(wire.bytes() >= payload && wire.bytes() < payload + 500, wire.bytes() + " bytes");
    // What Java's serialization adds to it.
    assertTrue(bytes.length < 1.01 * wire.bytes() + 1000, bytes.length + " bytes");
  }

  @Test
  void nothingButALineIsSentOfWhatDidNotChange() {
    float[] initial = random(1);
    RoundValues wire = RoundValues.of(LAYOUT, Communication.FLOAT32, initial.clone(), initial);
    assertArrayEquals(initial, wire.all(initial));
    assertTrue(wire.bytes() < 500, wire.bytes() + " bytes");
  }

  @Test
  void negativeZerosAreNotZeros() {
    float[] values = new float[LAYOUT.size()];
    values[BEFORE + 5 * WIDTH] = -0f;
    float[] arrived = RoundValues.of(LAYOUT, Communication.FLOAT32, values, null).all(null);
    assertEquals(-0f, arrived[BEFORE + 5 * WIDTH]);
  }

  @Test
  void bfloat16RoundsToTheNearestEven() {
    float[] values = {1, 1 + 0x1p-8f, 1 + 0x1.8p-7f, 1 + 0x1.01p-8f, Float.NaN, 0x1.fffffep127f};
    float[] rounded = values.clone();
    Communication.BFLOAT16.round(rounded);
    assertArrayEquals(
        new float[] {1, 1, 1 + 0x1p-6f, 1 + 0x1p-7f, Float.NaN, Float.POSITIVE_INFINITY}, rounded);
    for (int i = 0; i < values.length; i++) {
      assertEquals(FloatBits.fromBfloat(FloatBits.toBfloat(values[i])), rounded[i]);
    }
  }

  @Test
  void valuesOfAnotherRunAreNotAdded() {
    RoundValues floats = RoundValues.of(LAYOUT, Communication.FLOAT32, random(1), null);
    RoundValues halves = RoundValues.of(LAYOUT, Communication.BFLOAT16, random(1), null);
    assertThrows(IllegalArgumentException.class, () -> floats.plus(halves));
  }

  private static byte[] serialised(Object object) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(object);
    }
    return bytes.toByteArray();
  }
}
