package org.sinklora.lora.safetensors;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a safetensors file, with everything checked that a reader later relies on: the
 * tensors lie inside the file, side by side, without an overlap or a hole.
 */
final class SafeTensorsHeader {
  static final long MAX_HEADER_BYTES = 100_000_000;
  static final String METADATA = "__metadata__";

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** A tensor and where it lies: [begin, end) in bytes from the start of the data. */
  record Entry(TensorInfo info, long begin, long end) {}

  private final Path file;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final long dataStart;

  private SafeTensorsHeader(Path file, long dataStart) {
    this.file = file;
    this.dataStart = dataStart;
  }

  static SafeTensorsHeader read(Path file, FileChannel channel) throws IOException {
    long size = channel.size();
    if (size < Long.BYTES) {
      throw new SafeTensorsException(
          "%s: %d bytes; a safetensors file starts with a header length of 8 bytes"
              .formatted(file, size));
    }
    long length = readFully(channel, 0, Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (length < 0 || length > MAX_HEADER_BYTES) {
      throw new SafeTensorsException(
          "%s: the header claims %s bytes, above the limit of %d; is this a safetensors file?"
              .formatted(file, Long.toUnsignedString(length), MAX_HEADER_BYTES));
    }
    if (length > size - Long.BYTES) {
      throw new SafeTensorsException(
          "%s: the header claims %d bytes, the file has %d after the length; it is cut short"
              .formatted(file, length, size - Long.BYTES));
    }
    SafeTensorsHeader header = new SafeTensorsHeader(file, Long.BYTES + length);
    header.parse(readFully(channel, Long.BYTES, (int) length));
    header.checkLayout(size - header.dataStart);
    return header;
  }

  Map<String, Entry> entries() {
    return Collections.unmodifiableMap(entries);
  }

  Map<String, String> metadata() {
    return Collections.unmodifiableMap(metadata);
  }

  /** Where the data starts in the file. */
  long dataStart() {
    return dataStart;
  }

  private static ByteBuffer readFully(FileChannel channel, long position, int count)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(count);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, position + buffer.position()) < 0) {
        throw new IOException("The file became shorter while it was read");
      }
    }
    return buffer.flip();
  }

  private void parse(ByteBuffer bytes) {
    JsonNode root;
    try {
      // Decoded here, for Jackson would also guess UTF-16 and UTF-32, which the format excludes.
      root = JSON.readTree(StandardCharsets.UTF_8.newDecoder().decode(bytes).toString());
    } catch (CharacterCodingException e) {
      throw new SafeTensorsException(file + ": the header is not UTF-8", e);
    } catch (JsonProcessingException e) {
      throw new SafeTensorsException(
          "%s: the header is not valid JSON: %s".formatted(file, e.getOriginalMessage()), e);
    }
    if (!root.isObject()) {
      throw new SafeTensorsException(
          "%s: the header is %s, not a JSON object".formatted(file, describe(root)));
    }
    for (Map.Entry<String, JsonNode> field : root.properties()) {
      if (field.getKey().equals(METADATA)) {
        parseMetadata(field.getValue());
      } else {
        entries.put(field.getKey(), parseEntry(field.getKey(), field.getValue()));
      }
    }
  }

  private void parseMetadata(JsonNode node) {
    if (!node.isObject()) {
      throw new SafeTensorsException(
          "%s: %s is %s, not a map of strings".formatted(file, METADATA, describe(node)));
    }
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (!field.getValue().isTextual()) {
        throw new SafeTensorsException(
            "%s: %s.%s is %s, not a string"
                .formatted(file, METADATA, field.getKey(), describe(field.getValue())));
      }
      metadata.put(field.getKey(), field.getValue().textValue());
    }
  }

  private Entry parseEntry(String name, JsonNode node) {
    if (!node.isObject()) {
      throw bad(name, "is %s, not an object with dtype, shape, data_offsets", describe(node));
    }
    Dtype dtype = parseDtype(name, node.path("dtype"));
    List<Long> shape = parseLongs(name, "shape", node.path("shape"));
    List<Long> offsets = parseLongs(name, "data_offsets", node.path("data_offsets"));
    if (offsets.size() != 2) {
      throw bad(name, "has %d data_offsets, not begin and end", offsets.size());
    }
    TensorInfo info;
    try {
      info = new TensorInfo(dtype, shape);
    } catch (ArithmeticException e) {
      throw bad(name, "has the shape %s, whose size does not fit into 64 bits", shape);
    }
    long begin = offsets.get(0);
    long end = offsets.get(1);
    if (begin > end) {
      throw bad(name, "begins at %d, after its end at %d", begin, end);
    }
    if (end - begin != info.byteSize()) {
      throw bad(
          name,
          "takes %d bytes, but %s of shape %s needs %d",
          end - begin,
          dtype,
          shape,
          info.byteSize());
    }
    return new Entry(info, begin, end);
  }

  private Dtype parseDtype(String name, JsonNode node) {
    for (Dtype dtype : Dtype.values()) {
      if (node.isTextual() && node.textValue().equals(dtype.name())) {
        return dtype;
      }
    }
    throw bad(
        name, "has the dtype %s; known are %s", describe(node), List.of(Dtype.values()).toString());
  }

  private List<Long> parseLongs(String name, String field, JsonNode node) {
    if (!node.isArray()) {
      throw bad(name, "has %s as %s, not a list of integers", describe(node), field);
    }
    List<Long> values = new ArrayList<>(node.size());
    for (JsonNode value : node) {
      if (!value.isIntegralNumber() || !value.canConvertToLong() || value.longValue() < 0) {
        throw bad(
            name,
            "has %s in %s; expected an integer from 0 to %d",
            describe(value),
            field,
            Long.MAX_VALUE);
      }
      values.add(value.longValue());
    }
    return values;
  }

  private void checkLayout(long dataBytes) {
    List<Map.Entry<String, Entry>> ordered = new ArrayList<>(entries.entrySet());
    ordered.sort(
        Comparator.<Map.Entry<String, Entry>>comparingLong(e -> e.getValue().begin())
            .thenComparingLong(e -> e.getValue().end()));
    long covered = 0;
    String previous = "the start of the data";
    for (Map.Entry<String, Entry> tensor : ordered) {
      Entry entry = tensor.getValue();
      if (entry.end() > dataBytes) {
        throw bad(
            tensor.getKey(),
            "ends at byte %d of the data, of which the file has %d; it is cut short",
            entry.end(),
            dataBytes);
      }
      if (entry.begin() < covered) {
        throw bad(
            tensor.getKey(),
            "begins at %d and overlaps %s, which ends at %d",
            entry.begin(),
            previous,
            covered);
      }
      if (entry.begin() > covered) {
        throw bad(
            tensor.getKey(),
            "begins at %d and leaves a hole after %s, which ends at %d",
            entry.begin(),
            previous,
            covered);
      }
      covered = entry.end();
      previous = tensor.getKey();
    }
    if (covered != dataBytes) {
      throw new SafeTensorsException(
          "%s: the tensors end at byte %d of the data and %d more bytes follow; none may"
              .formatted(file, covered, dataBytes - covered));
    }
  }

  private static String describe(JsonNode node) {
    String text = node.isMissingNode() ? "missing" : node.toString();
    return text.length() <= 80 ? text : text.substring(0, 80) + "…";
  }

  private SafeTensorsException bad(String name, String what, Object... values) {
    return new SafeTensorsException(
        "%s: tensor %s %s".formatted(file, name, what.formatted(values)));
  }
}
