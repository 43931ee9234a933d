package org.sinklora.lora.safetensors;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Writes a safetensors file, tensor after tensor, without holding more than a chunk of it.
 *
 * <p>Tensors are laid out as the reference implementation does: by type, the widest first, then by
 * name. The file appears complete or not at all: it is written beside its destination, flushed to
 * the disk and moved; a failure leaves an existing file as it was.
 */
public final class SafeTensorsWriter {
  /** Elements that are converted at a time. */
  private static final int CHUNK = 1 << 16;

  private static final JsonMapper JSON = new JsonMapper();

  private interface Content {
    void writeTo(FileChannel channel) throws IOException;
  }

  private record Pending(String name, TensorInfo info, Content content) {}

  private final Map<String, Pending> tensors = new HashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>(Map.of("format", "pt"));

  /** Where float values come from. */
  @FunctionalInterface
  public interface FloatSource {
    /**
     * Supplies {@code count} values of the tensor from element {@code firstElement} on, in
     * row-major order, into {@code destination} from index {@code at} on. Called in ascending
     * order.
     */
    void readFloats(long firstElement, float[] destination, int at, int count);
  }

  /** Adds a string to {@code __metadata__}, which starts as {@code {"format": "pt"}}. */
  public SafeTensorsWriter metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /**
   * Adds a tensor whose values are asked for when the file is written.
   *
   * @param name its name
   * @param info F32, F16 or BF16 and the shape; values are rounded to the nearest, ties to even,
   *     and become infinite where they exceed the type
   * @param source its values
   * @throws IllegalArgumentException if the name is taken or the type another
   */
  public SafeTensorsWriter add(String name, TensorInfo info, FloatSource source) {
    if (info.dtype() != Dtype.F32 && info.dtype() != Dtype.F16 && info.dtype() != Dtype.BF16) {
      throw new IllegalArgumentException(
          "Tensor %s: floats can be written as F32, F16 or BF16, not %s"
              .formatted(name, info.dtype()));
    }
    return put(new Pending(name, info, channel -> writeFloats(channel, info, source)));
  }

  /**
   * Adds a tensor whose bytes are copied as they are.
   *
   * @param name its name
   * @param info its type and shape
   * @param bytes supplies its little-endian bytes, in order; asked when the file is written
   * @throws IllegalArgumentException if the name is taken
   */
  public SafeTensorsWriter addBytes(
      String name, TensorInfo info, Supplier<List<ByteBuffer>> bytes) {
    return put(new Pending(name, info, channel -> writeBytes(channel, name, info, bytes.get())));
  }

  /**
   * Writes the file.
   *
   * @throws IOException if it cannot be written; whatever was there before is then unchanged
   */
  public void write(Path file) throws IOException {
    List<Pending> ordered = new ArrayList<>(tensors.values());
    ordered.sort(
        Comparator.comparing((Pending tensor) -> tensor.info().dtype())
            .reversed()
            .thenComparing(Pending::name));
    AtomicFile.write(
        file,
        channel -> {
          writeAll(channel, header(file, ordered));
          for (Pending tensor : ordered) {
            tensor.content().writeTo(channel);
          }
        });
  }

  private SafeTensorsWriter put(Pending tensor) {
    if (tensor.name().equals(SafeTensorsHeader.METADATA)) {
      throw new IllegalArgumentException("A tensor cannot be called " + tensor.name());
    }
    if (tensors.putIfAbsent(tensor.name(), tensor) != null) {
      throw new IllegalArgumentException("Tensor " + tensor.name() + " was already added");
    }
    return this;
  }

  private ByteBuffer header(Path file, List<Pending> ordered) throws IOException {
    ObjectNode root = JSON.createObjectNode();
    if (!metadata.isEmpty()) {
      ObjectNode strings = root.putObject(SafeTensorsHeader.METADATA);
      metadata.forEach(strings::put);
    }
    long begin = 0;
    for (Pending tensor : ordered) {
      ObjectNode entry = root.putObject(tensor.name());
      entry.put("dtype", tensor.info().dtype().name());
      ArrayNode shape = entry.putArray("shape");
      tensor.info().shape().forEach(shape::add);
      long end = Math.addExact(begin, tensor.info().byteSize());
      entry.putArray("data_offsets").add(begin).add(end);
      begin = end;
    }
    byte[] json = JSON.writeValueAsBytes(root);
    // Padded with spaces so that the data starts at a multiple of eight.
    int padded = (json.length + 7) & ~7;
    if (padded > SafeTensorsHeader.MAX_HEADER_BYTES) {
      throw new IllegalArgumentException(
          "%s: %d tensors need a header of %d bytes, above the limit of %d"
              .formatted(file, ordered.size(), padded, SafeTensorsHeader.MAX_HEADER_BYTES));
    }
    ByteBuffer buffer = ByteBuffer.allocate(Long.BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
    buffer.putLong(padded).put(json);
    Arrays.fill(buffer.array(), buffer.position(), buffer.capacity(), (byte) ' ');
    return buffer.rewind();
  }

  private static void writeFloats(FileChannel channel, TensorInfo info, FloatSource source)
      throws IOException {
    long elements = info.elements();
    int chunk = (int) Math.min(CHUNK, elements);
    float[] values = new float[chunk];
    ByteBuffer buffer =
        ByteBuffer.allocateDirect(chunk * info.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (long first = 0; first < elements; first += chunk) {
      int count = (int) Math.min(chunk, elements - first);
      source.readFloats(first, values, 0, count);
      buffer.clear();
      encode(info.dtype(), values, count, buffer);
      writeAll(channel, buffer.flip());
    }
  }

  private static void encode(Dtype dtype, float[] values, int count, ByteBuffer buffer) {
    for (int i = 0; i < count; i++) {
      switch (dtype) {
        case F32 -> buffer.putFloat(values[i]);
        case F16 -> buffer.putShort(FloatBits.toHalf(values[i]));
        case BF16 -> buffer.putShort(FloatBits.toBfloat(values[i]));
        default -> throw new AssertionError(dtype);
      }
    }
  }

  private static void writeBytes(
      FileChannel channel, String name, TensorInfo info, List<ByteBuffer> parts)
      throws IOException {
    long size = parts.stream().mapToLong(ByteBuffer::remaining).sum();
    if (size != info.byteSize()) {
      throw new IllegalArgumentException(
          "Tensor %s: %d bytes were supplied, %s of shape %s takes %d"
              .formatted(name, size, info.dtype(), info.shape(), info.byteSize()));
    }
    for (ByteBuffer part : parts) {
      writeAll(channel, part.duplicate());
    }
  }

  private static void writeAll(FileChannel channel, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }
}
