package org.sinklora.lora.safetensors;

/** Conversions between float32 and the two 16-bit floats; to 16 bits, ties go to the even value. */
public final class FloatBits {
  private static final int FLOAT_INFINITY = 0x7f80_0000;

  /** The float32 whose value is one half of the smallest positive float16. */
  private static final float HALF_SMALLEST = 0x1p-25f;

  private FloatBits() {}

  static float fromHalf(short bits) {
    int sign = (bits & 0x8000) << 16;
    int exponent = (bits >>> 10) & 0x1f;
    int fraction = bits & 0x3ff;
    if (exponent == 0x1f) {
      return Float.intBitsToFloat(sign | FLOAT_INFINITY | (fraction << 13));
    }
    if (exponent == 0) {
      // A subnormal is fraction · 2^-24, which float32 holds as a normal number.
      float magnitude = fraction * 0x1p-24f;
      return Float.intBitsToFloat(sign | Float.floatToRawIntBits(magnitude));
    }
    return Float.intBitsToFloat(sign | ((exponent + 112) << 23) | (fraction << 13));
  }

  static short toHalf(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = (bits >>> 16) & 0x8000;
    int magnitude = bits & 0x7fff_ffff;
    if (magnitude > FLOAT_INFINITY) {
      // Keep a NaN a NaN, even when its payload lies in the bits that are cut off.
      return (short) (sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff));
    }
    if (magnitude >= 0x4780_0000) { // 65536 and more, infinity included
      return (short) (sign | 0x7c00);
    }
    if (magnitude >= 0x3880_0000) { // 2^-14: the normal numbers of float16
      int rebased = magnitude - (112 << 23);
      // A carry out of the fraction moves into the exponent, up to infinity, as it should.
      return (short) (sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13));
    }
    float absolute = Float.intBitsToFloat(magnitude);
    if (absolute <= HALF_SMALLEST) {
      return (short) sign;
    }
    // Scaling by a power of two is exact here, and Math.rint rounds ties to even.
    return (short) (sign | (int) Math.rint(absolute * 0x1p24));
  }

  /** The float32 with these upper 16 bits. */
  public static float fromBfloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** The nearest bfloat16. */
  public static short toBfloat(float value) {
    int bits = Float.floatToRawIntBits(value);
    if ((bits & 0x7fff_ffff) > FLOAT_INFINITY) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }
}
