package org.sinklora.spark;

import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.BitSet;

/**
 * Values of an adapter, or gradients of them, on their way between driver and executors. Only rows
 * that differ from what the other side has anyway travel: of a trained embedding those of the
 * tokens that occurred. Where nearly all differ, all do. What arrives is bit for bit what would
 * arrive if all rows travelled.
 */
final class RoundValues implements Serializable {
  private static final long serialVersionUID = 1;

  /** Values that are copied to the wire at a time. */
  private static final int CHUNK = 1 << 16;

  private final RowLayout layout;
  private final Communication communication;

  /** Rows that are here; null for all. */
  private final BitSet present;

  /** Their values, one row behind the other. */
  private transient float[] values;

  private RoundValues(
      RowLayout layout, Communication communication, BitSet present, float[] values) {
    this.layout = layout;
    this.communication = communication;
    this.present = present;
    this.values = values;
  }

  /**
   * What the other side needs to know of values.
   *
   * @param all the values, which may become a part of the result
   * @param known what the other side has; null for zeros
   */
  static RoundValues of(RowLayout layout, Communication communication, float[] all, float[] known) {
    BitSet changed = new BitSet(layout.rows());
    int[] kept = new int[1];
    layout.forEach(
        (row, at, width) -> {
          if (differs(all, known, at, width)) {
            changed.set(row);
            kept[0] += width;
          }
        });
    float[] values = all;
    boolean sparse = pays(layout, communication, kept[0]);
    if (sparse) {
      values = new float[kept[0]];
      float[] packed = values;
      int[] end = new int[1];
      layout.forEach(
          (row, at, width) -> {
            if (changed.get(row)) {
              System.arraycopy(all, at, packed, end[0], width);
              end[0] += width;
            }
          });
    }
    communication.round(values);
    return new RoundValues(layout, communication, sparse ? changed : null, values);
  }

  /** By their bits: a row of negative zeros is not one of zeros. */
  private static boolean differs(float[] all, float[] known, int at, int width) {
    for (int i = at; i < at + width; i++) {
      int other = known == null ? 0 : Float.floatToRawIntBits(known[i]);
      if (Float.floatToRawIntBits(all[i]) != other) {
        return true;
      }
    }
    return false;
  }

  /** Whether the values left out are more than the list of the rows that are not. */
  private static boolean pays(RowLayout layout, Communication communication, int kept) {
    long saved = (long) (layout.size() - kept) * communication.bytes();
    return saved > listBytes(layout);
  }

  private static long listBytes(RowLayout layout) {
    return (layout.rows() + Byte.SIZE - 1) / Byte.SIZE;
  }

  /**
   * All values.
   *
   * @param known as in {@link #of}
   * @return to be read only
   */
  float[] all(float[] known) {
    if (present == null) {
      return values;
    }
    float[] all = known == null ? new float[layout.size()] : known.clone();
    communication.round(all);
    int[] end = new int[1];
    layout.forEach(
        (row, at, width) -> {
          if (present.get(row)) {
            System.arraycopy(values, end[0], all, at, width);
            end[0] += width;
          }
        });
    return all;
  }

  /**
   * The sum of two that say what differs from zero, added up in float32 and rounded again to what
   * travels. Takes the place of both.
   *
   * @throws IllegalArgumentException if they belong to different adapters
   */
  RoundValues plus(RoundValues right) {
    if (right.layout.size() != layout.size() || right.communication != communication) {
      throw new IllegalArgumentException(
          "%,d values in %s and %,d in %s: they belong to different runs"
              .formatted(layout.size(), communication, right.layout.size(), right.communication));
    }
    BitSet union = union(right);
    int size = union == null ? layout.size() : width(union);
    if (union != null && !pays(layout, communication, size)) {
      union = null;
      size = layout.size();
    }
    // A left side of all rows, the usual case, is added to where it lies.
    float[] sum = present == null ? values : spread(union, size);
    if (right.present == null) {
      for (int i = 0; i < sum.length; i++) {
        sum[i] += right.values[i];
      }
    } else {
      right.addRows(union, sum);
    }
    communication.round(sum);
    return new RoundValues(layout, communication, union, sum);
  }

  private BitSet union(RoundValues right) {
    if (present == null || right.present == null) {
      return null;
    }
    BitSet union = (BitSet) present.clone();
    union.or(right.present);
    return union;
  }

  private int width(BitSet rows) {
    int[] size = new int[1];
    layout.forEach((row, at, width) -> size[0] += rows.get(row) ? width : 0);
    return size[0];
  }

  /** The rows of a set, null for all, zeros where they are not here. */
  private float[] spread(BitSet rows, int size) {
    float[] spread = new float[size];
    int[] ends = new int[2];
    layout.forEach(
        (row, at, width) -> {
          if (present.get(row)) {
            System.arraycopy(values, ends[0], spread, ends[1], width);
            ends[0] += width;
          }
          if (rows == null || rows.get(row)) {
            ends[1] += width;
          }
        });
    return spread;
  }

  /** Adds these rows to those of a set, null for all; to the others zeros, which is not nothing. */
  private void addRows(BitSet rows, float[] sum) {
    int[] ends = new int[2];
    layout.forEach(
        (row, at, width) -> {
          if (rows != null && !rows.get(row)) {
            return;
          }
          boolean here = present.get(row);
          for (int i = 0; i < width; i++) {
            // Zero added to a negative zero is zero, as it would be if all rows travelled.
            sum[ends[1] + i] += here ? values[ends[0] + i] : 0f;
          }
          ends[0] += here ? width : 0;
          ends[1] += width;
        });
  }

  /** Bytes on the wire. */
  long bytes() {
    long list = present == null ? 0 : listBytes(layout);
    return (long) values.length * communication.bytes() + list + layout.bytes();
  }

  private void writeObject(ObjectOutputStream out) throws IOException {
    out.defaultWriteObject();
    out.writeInt(values.length);
    byte[] chunk = new byte[Math.min(CHUNK, values.length) * communication.bytes()];
    for (int at = 0; at < values.length; at += CHUNK) {
      int count = Math.min(CHUNK, values.length - at);
      communication.put(values, at, count, ByteBuffer.wrap(chunk));
      out.write(chunk, 0, count * communication.bytes());
    }
  }

  private void readObject(ObjectInputStream in) throws IOException, ClassNotFoundException {
    in.defaultReadObject();
    values = new float[in.readInt()];
    byte[] chunk = new byte[Math.min(CHUNK, values.length) * communication.bytes()];
    for (int at = 0; at < values.length; at += CHUNK) {
      int count = Math.min(CHUNK, values.length - at);
      in.readFully(chunk, 0, count * communication.bytes());
      communication.get(ByteBuffer.wrap(chunk), values, at, count);
    }
  }
}
