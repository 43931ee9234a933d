package org.sinklora.compute.cuda;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * Where a launch's arguments stand while the driver copies them: a slot each, whose addresses never
 * change, so that a launch writes nothing but the values.
 */
final class KernelArguments {
  static final int LARGEST = 48;
  private static final int SLOT = CudaTensorMap.BYTES;

  private final BytePointer slots = new BytePointer((long) LARGEST * SLOT);
  private final PointerPointer<Pointer> addresses = new PointerPointer<>(LARGEST);

  KernelArguments() {
    for (int i = 0; i < LARGEST; i++) {
      addresses.put(i, slots.getPointer((long) i * SLOT));
    }
  }

  /** Puts the values into their slots and returns the slots' addresses. */
  PointerPointer<Pointer> set(Object... values) {
    if (values.length > LARGEST) {
      throw new IllegalArgumentException(
          "A kernel takes at most %d arguments, not %d".formatted(LARGEST, values.length));
    }
    for (int i = 0; i < values.length; i++) {
      put((long) i * SLOT, values[i]);
    }
    return addresses;
  }

  private void put(long slot, Object value) {
    if (value instanceof CudaTensor tensor) {
      slots.putLong(slot, tensor.address());
    } else if (value instanceof Integer number) {
      slots.putInt(slot, number);
    } else if (value instanceof Long number) {
      slots.putLong(slot, number);
    } else if (value instanceof Float number) {
      slots.putFloat(slot, number);
    } else if (value == null) {
      slots.putLong(slot, 0);
    } else if (value instanceof CudaTensorMap map) {
      BytePointer encoded = map.encoded();
      for (int i = 0; i < CudaTensorMap.BYTES; i += Long.BYTES) {
        slots.putLong(slot + i, encoded.getLong(i));
      }
    } else {
      throw new IllegalArgumentException(
          "A kernel takes tensors, int, long, float and tensor maps, not " + value.getClass());
    }
  }

  /** What was written into a slot, for tests. */
  long longAt(int argument) {
    return slots.getLong((long) argument * SLOT);
  }
}
