package org.sinklora.spark;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** A message in the encoding of Protocol Buffers, with the kinds of fields that events have. */
final class ProtobufMessage {
  private static final int VARINT = 0;
  private static final int FIXED_64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED_32 = 5;

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  /** An {@code int64} or an enumeration, not negative. */
  ProtobufMessage integer(int field, long value) {
    return tag(field, VARINT).varint(value);
  }

  ProtobufMessage doubleValue(int field, double value) {
    return tag(field, FIXED_64).raw(littleEndian(Double.BYTES).putDouble(value).array());
  }

  ProtobufMessage floatValue(int field, float value) {
    return tag(field, FIXED_32).raw(littleEndian(Float.BYTES).putFloat(value).array());
  }

  ProtobufMessage text(int field, String value) {
    return bytes(field, value.getBytes(StandardCharsets.UTF_8));
  }

  ProtobufMessage message(int field, ProtobufMessage value) {
    return bytes(field, value.toBytes());
  }

  byte[] toBytes() {
    return bytes.toByteArray();
  }

  private ProtobufMessage bytes(int field, byte[] value) {
    return tag(field, BYTES).varint(value.length).raw(value);
  }

  private ProtobufMessage tag(int field, int kind) {
    return varint((long) field << 3 | kind);
  }

  /** Seven bits a byte, the lowest first; the highest bit says that more follow. */
  private ProtobufMessage varint(long value) {
    long left = value;
    while (left >>> 7 != 0) {
      bytes.write((int) (left & 0x7f | 0x80));
      left >>>= 7;
    }
    bytes.write((int) left);
    return this;
  }

  private ProtobufMessage raw(byte[] value) {
    bytes.writeBytes(value);
    return this;
  }

  private static ByteBuffer littleEndian(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
