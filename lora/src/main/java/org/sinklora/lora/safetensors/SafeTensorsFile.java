package org.sinklora.lora.safetensors;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * A safetensors file, read through a memory map.
 *
 * <p>Opening reads and checks the header alone; a tensor is mapped when it is first read, in
 * windows of 1 GiB, so that files and tensors above 2 GiB work. Reading is safe from several
 * threads. Buffers already handed out stay valid after {@link #close}.
 */
public final class SafeTensorsFile implements AutoCloseable {
  /** Divisible by every element size, so that no element lies across two windows. */
  private static final int WINDOW_BYTES = 1 << 30;

  private final Path file;
  private final FileChannel channel;
  private final SafeTensorsHeader header;
  private final int windowBytes;
  private final Map<String, List<ByteBuffer>> windows = new HashMap<>();

  private SafeTensorsFile(
      Path file, FileChannel channel, SafeTensorsHeader header, int windowBytes) {
    this.file = file;
    this.channel = channel;
    this.header = header;
    this.windowBytes = windowBytes;
  }

  /**
   * Opens a file.
   *
   * @throws SafeTensorsException if it is not a well-formed safetensors file
   * @throws IOException if it cannot be read
   */
  public static SafeTensorsFile open(Path file) throws IOException {
    return open(file, WINDOW_BYTES);
  }

  static SafeTensorsFile open(Path file, int windowBytes) throws IOException {
    FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
    try {
      return new SafeTensorsFile(file, channel, SafeTensorsHeader.read(file, channel), windowBytes);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  /** The file this was opened from. */
  public Path path() {
    return file;
  }

  /** Names of the tensors, in the order of the header. */
  public Set<String> names() {
    return header.entries().keySet();
  }

  /** The strings under {@code __metadata__}; empty if there are none. */
  public Map<String, String> metadata() {
    return header.metadata();
  }

  /**
   * Type and shape of a tensor.
   *
   * @throws SafeTensorsException if there is none of this name
   */
  public TensorInfo info(String name) {
    return entry(name).info();
  }

  /**
   * Copies elements of an F32, F16, BF16 or F64 tensor as float32; the first three exactly.
   *
   * @param name the tensor
   * @param firstElement first element, in row-major order
   * @param destination where they go, from {@code at} on
   * @param at first index to write
   * @param count number of elements
   * @throws SafeTensorsException if there is no such tensor or it does not hold floats
   * @throws IndexOutOfBoundsException if the tensor or the array is too short
   */
  public void readFloats(String name, long firstElement, float[] destination, int at, int count) {
    Objects.checkFromIndexSize(at, count, destination.length);
    Dtype dtype = info(name).dtype();
    if (dtype != Dtype.F32 && dtype != Dtype.F16 && dtype != Dtype.BF16 && dtype != Dtype.F64) {
      throw new SafeTensorsException(
          "%s: tensor %s holds %s; F32, F16, BF16 or F64 can be read as floats"
              .formatted(file, name, dtype));
    }
    eachWindow(
        name,
        firstElement,
        count,
        (source, done, part) -> copyFloats(dtype, source, destination, at + done, part));
  }

  /**
   * The elements of an integer or boolean tensor.
   *
   * @throws SafeTensorsException if there is no such tensor, or it holds floats or U64, or has more
   *     than 2^31 − 1 elements
   */
  public long[] readLongs(String name) {
    TensorInfo info = info(name);
    if (info.elements() > Integer.MAX_VALUE) {
      throw new SafeTensorsException(
          "%s: tensor %s has %d elements; at most %d fit into an array"
              .formatted(file, name, info.elements(), Integer.MAX_VALUE));
    }
    long[] values = new long[(int) info.elements()];
    eachWindow(
        name,
        0,
        values.length,
        (source, done, part) -> {
          for (int i = 0; i < part; i++) {
            values[done + i] = nextLong(name, info.dtype(), source);
          }
        });
    return values;
  }

  /**
   * The bytes of a tensor as they lie in the file: read-only, little-endian buffers, in order.
   *
   * @throws SafeTensorsException if there is no such tensor
   */
  public List<ByteBuffer> bytes(String name) {
    return windows(name).stream()
        .map(window -> window.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN))
        .toList();
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot close " + file, e);
    }
  }

  private SafeTensorsHeader.Entry entry(String name) {
    SafeTensorsHeader.Entry entry = header.entries().get(name);
    if (entry == null) {
      throw new SafeTensorsException(
          "%s: no tensor is called %s; it holds %d others"
              .formatted(file, name, header.entries().size()));
    }
    return entry;
  }

  private interface WindowReader {
    /** Reads {@code count} elements from the buffer's position on; {@code done} came before. */
    void read(ByteBuffer source, int done, int count);
  }

  private void eachWindow(String name, long firstElement, int count, WindowReader reader) {
    TensorInfo info = info(name);
    Objects.checkFromIndexSize(firstElement, count, info.elements());
    int size = info.dtype().bytes();
    int done = 0;
    while (done < count) {
      long position = (firstElement + done) * size;
      ByteBuffer source =
          windows(name)
              .get((int) (position / windowBytes))
              .duplicate()
              .order(ByteOrder.LITTLE_ENDIAN);
      source.position((int) (position % windowBytes));
      int part = Math.min(count - done, source.remaining() / size);
      reader.read(source, done, part);
      done += part;
    }
  }

  private List<ByteBuffer> windows(String name) {
    SafeTensorsHeader.Entry entry = entry(name);
    synchronized (windows) {
      List<ByteBuffer> mapped = windows.get(name);
      if (mapped == null) {
        mapped = map(entry);
        windows.put(name, mapped);
      }
      return mapped;
    }
  }

  private List<ByteBuffer> map(SafeTensorsHeader.Entry entry) {
    List<ByteBuffer> mapped = new ArrayList<>();
    try {
      for (long begin = entry.begin(); begin < entry.end(); begin += windowBytes) {
        long size = Math.min(windowBytes, entry.end() - begin);
        mapped.add(channel.map(FileChannel.MapMode.READ_ONLY, header.dataStart() + begin, size));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot map " + file, e);
    }
    return mapped;
  }

  private static void copyFloats(
      Dtype dtype, ByteBuffer source, float[] destination, int at, int count) {
    switch (dtype) {
      case F32 -> source.asFloatBuffer().get(destination, at, count);
      case F16 -> {
        for (int i = 0; i < count; i++) {
          destination[at + i] = FloatBits.fromHalf(source.getShort());
        }
      }
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          destination[at + i] = FloatBits.fromBfloat(source.getShort());
        }
      }
      default -> {
        for (int i = 0; i < count; i++) {
          destination[at + i] = (float) source.getDouble();
        }
      }
    }
  }

  private long nextLong(String name, Dtype dtype, ByteBuffer source) {
    return switch (dtype) {
      case I64 -> source.getLong();
      case I32 -> source.getInt();
      case U32 -> Integer.toUnsignedLong(source.getInt());
      case I16 -> source.getShort();
      case U16 -> Short.toUnsignedLong(source.getShort());
      case I8 -> source.get();
      case U8, BOOL -> Byte.toUnsignedLong(source.get());
      default ->
          throw new SafeTensorsException(
              "%s: tensor %s holds %s, not integers of up to 63 bits".formatted(file, name, dtype));
    };
  }
}
