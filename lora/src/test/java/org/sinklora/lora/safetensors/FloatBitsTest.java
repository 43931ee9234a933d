package org.sinklora.lora.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class FloatBitsTest {

  /** IEEE 754: sign, five exponent bits with bias 15, ten fraction bits. */
  private static double halfByDefinition(int bits) {
    double sign = (bits & 0x8000) == 0 ? 1 : -1;
    int exponent = (bits >> 10) & 31;
    int fraction = bits & 1023;
    if (exponent == 31) {
      return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
    }
    return exponent == 0
        ? sign * fraction * Math.pow(2, -24)
        : sign * (1024 + fraction) * Math.pow(2, exponent - 25);
  }

  @Test
  void everyHalfHasItsValueAndComesBack() {
    for (int bits = 0; bits < 65536; bits++) {
      float value = FloatBits.fromHalf((short) bits);
      // Doubles compare -0.0 and 0.0 as different and NaN as equal, as wanted.
      assertEquals(halfByDefinition(bits), value, "bits " + Integer.toHexString(bits));
      short back = FloatBits.toHalf(value);
      if (Float.isNaN(value)) {
        assertTrue(Float.isNaN(FloatBits.fromHalf(back)));
      } else {
        assertEquals((short) bits, back);
      }
    }
  }

  @Test
  void everyBfloatHasItsValueAndComesBack() {
    for (int bits = 0; bits < 65536; bits++) {
      float value = FloatBits.fromBfloat((short) bits);
      assertEquals(bits << 16, Float.floatToRawIntBits(value));
      short back = FloatBits.toBfloat(value);
      if (Float.isNaN(value)) {
        assertTrue(Float.isNaN(FloatBits.fromBfloat(back)));
      } else {
        assertEquals((short) bits, back);
      }
    }
  }

  @Test
  void halvesRoundToNearestEven() {
    for (int bits = 0; bits < 0x7c00; bits++) {
      float low = FloatBits.fromHalf((short) bits);
      // Above the largest half the next step would be 65536.
      float high = bits == 0x7bff ? 65536f : FloatBits.fromHalf((short) (bits + 1));
      float middle = (low + high) / 2;
      int even = (bits & 1) == 0 ? bits : bits + 1;
      assertEquals((short) even, FloatBits.toHalf(middle));
      assertEquals((short) bits, FloatBits.toHalf(Math.nextDown(middle)));
      assertEquals((short) (bits + 1), FloatBits.toHalf(Math.nextUp(middle)));
      assertEquals((short) (even | 0x8000), FloatBits.toHalf(-middle));
    }
  }

  @Test
  void bfloatsRoundToNearestEven() {
    for (int bits = 0; bits < 0x7f80; bits++) {
      int middle = bits << 16 | 0x8000;
      int even = (bits & 1) == 0 ? bits : bits + 1;
      assertEquals((short) even, FloatBits.toBfloat(Float.intBitsToFloat(middle)));
      assertEquals((short) bits, FloatBits.toBfloat(Float.intBitsToFloat(middle - 1)));
      assertEquals((short) (bits + 1), FloatBits.toBfloat(Float.intBitsToFloat(middle + 1)));
      assertEquals((short) (even | 0x8000), FloatBits.toBfloat(-Float.intBitsToFloat(middle)));
    }
  }

  @Test
  void everyNotANumberStaysOne() {
    Random random = new Random(1);
    for (int i = 0; i < 10_000; i++) {
      int payload = 1 + random.nextInt(0x7f_ffff);
      for (int sign : new int[] {0, 0x8000_0000}) {
        float value = Float.intBitsToFloat(sign | 0x7f80_0000 | payload);
        assertTrue(Float.isNaN(FloatBits.fromHalf(FloatBits.toHalf(value))));
        assertTrue(Float.isNaN(FloatBits.fromBfloat(FloatBits.toBfloat(value))));
      }
    }
    assertTrue(
        Float.isNaN(FloatBits.fromBfloat(FloatBits.toBfloat(Float.intBitsToFloat(0x7f800001)))));
  }

  @Test
  void whatExceedsHalfBecomesInfinite() {
    assertEquals((short) 0x7c00, FloatBits.toHalf(Float.MAX_VALUE));
    assertEquals((short) 0xfc00, FloatBits.toHalf(Float.NEGATIVE_INFINITY));
    assertEquals((short) 0x8000, FloatBits.toHalf(-Float.MIN_VALUE));
  }
}
