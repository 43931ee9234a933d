package org.sinklora.spark;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.Locale;
import org.sinklora.lora.safetensors.FloatBits;

/** The type of the values that processes send each other in a training round. */
enum Communication {
  FLOAT32(Float.BYTES) {
    @Override
    void round(float[] values) {
      // They stay what they are.
    }

    @Override
    void put(float[] values, int at, int count, ByteBuffer wire) {
      FloatBuffer floats = wire.asFloatBuffer();
      floats.put(values, at, count);
    }

    @Override
    void get(ByteBuffer wire, float[] values, int at, int count) {
      wire.asFloatBuffer().get(values, at, count);
    }
  },

  /** The upper half of a float32, to the nearest, ties to even. */
  BFLOAT16(Short.BYTES) {
    @Override
    void round(float[] values) {
      for (int i = 0; i < values.length; i++) {
        values[i] = FloatBits.fromBfloat(FloatBits.toBfloat(values[i]));
      }
    }

    @Override
    void put(float[] values, int at, int count, ByteBuffer wire) {
      ShortBuffer shorts = wire.asShortBuffer();
      for (int i = at; i < at + count; i++) {
        shorts.put(FloatBits.toBfloat(values[i]));
      }
    }

    @Override
    void get(ByteBuffer wire, float[] values, int at, int count) {
      ShortBuffer shorts = wire.asShortBuffer();
      for (int i = at; i < at + count; i++) {
        values[i] = FloatBits.fromBfloat(shorts.get());
      }
    }
  };

  private final int bytes;

  Communication(int bytes) {
    this.bytes = bytes;
  }

  /** The one of that name. */
  static Communication named(String name) {
    for (Communication communication : values()) {
      if (communication.toString().equals(name)) {
        return communication;
      }
    }
    throw new UserException("--communication is '%s'; choose float32 or bfloat16".formatted(name));
  }

  /** Bytes of a value. */
  int bytes() {
    return bytes;
  }

  /** Makes values what they are on the other side. */
  abstract void round(float[] values);

  /** Writes values to the beginning of a buffer. */
  abstract void put(float[] values, int at, int count, ByteBuffer wire);

  /** Reads values from the beginning of a buffer. */
  abstract void get(ByteBuffer wire, float[] values, int at, int count);

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
