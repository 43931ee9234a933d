package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Label;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Type;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.DescriptorValidationException;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/** TensorBoard's event files, read with the library of Protocol Buffers and its checksums. */
final class EventFile {
  private static final Descriptor EVENT = descriptor();

  private EventFile() {}

  /**
   * An event.
   *
   * @param version empty in all but the first
   * @param status of the session log; 0 if there is none
   * @param values by tag
   */
  record Event(double wallTime, long step, String version, int status, Map<String, Float> values) {}

  /** The events of all files of a folder, in the order of the files' names. */
  static List<Event> readAll(Path folder) throws IOException {
    List<Event> events = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file :
          files.filter(f -> !f.getFileName().toString().startsWith(".")).sorted().toList()) {
        events.addAll(read(file));
      }
    }
    return events;
  }

  private static List<Event> read(Path file) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    List<Event> events = new ArrayList<>();
    while (bytes.hasRemaining()) {
      int at = bytes.position();
      int length = Math.toIntExact(bytes.getLong());
      assertEquals(masked(bytes.array(), at, Long.BYTES), bytes.getInt(), "checksum of a length");
      byte[] data = new byte[length];
      bytes.get(data);
      assertEquals(masked(data, 0, length), bytes.getInt(), "checksum of an event");
      events.add(event(DynamicMessage.parseFrom(EVENT, data)));
    }
    return events;
  }

  private static int masked(byte[] bytes, int from, int count) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, from, count);
    long value = crc.getValue();
    return (int) (((value >>> 15 | value << 17) & 0xffffffffL) + 0xa282ead8L);
  }

  private static Event event(DynamicMessage event) {
    assertEquals(Map.of(), event.getUnknownFields().asMap(), "unknown fields");
    DynamicMessage log = (DynamicMessage) get(event, "session_log");
    Map<String, Float> values = new LinkedHashMap<>();
    for (Object value : (Collection<?>) get((DynamicMessage) get(event, "summary"), "value")) {
      values.put(
          (String) get((DynamicMessage) value, "tag"),
          (Float) get((DynamicMessage) value, "simple_value"));
    }
    return new Event(
        (Double) get(event, "wall_time"),
        (Long) get(event, "step"),
        (String) get(event, "file_version"),
        (Integer) get(log, "status"),
        values);
  }

  private static Object get(DynamicMessage message, String field) {
    return message.getField(message.getDescriptorForType().findFieldByName(field));
  }

  /** What is needed of TensorFlow's {@code event.proto} and {@code summary.proto}. */
  private static Descriptor descriptor() {
    FileDescriptorProto file =
        FileDescriptorProto.newBuilder()
            .setName("event.proto")
            .setSyntax("proto3")
            .addMessageType(
                message(
                    "Event",
                    field("wall_time", 1, Type.TYPE_DOUBLE),
                    field("step", 2, Type.TYPE_INT64),
                    field("file_version", 3, Type.TYPE_STRING),
                    field("summary", 5, Type.TYPE_MESSAGE).setTypeName("Summary"),
                    field("session_log", 7, Type.TYPE_MESSAGE).setTypeName("SessionLog")))
            .addMessageType(
                message(
                    "Summary",
                    field("value", 1, Type.TYPE_MESSAGE)
                        .setTypeName("Value")
                        .setLabel(Label.LABEL_REPEATED)))
            .addMessageType(
                message(
                    "Value",
                    field("tag", 1, Type.TYPE_STRING),
                    field("simple_value", 2, Type.TYPE_FLOAT)))
            .addMessageType(message("SessionLog", field("status", 1, Type.TYPE_INT32)))
            .build();
    try {
      return FileDescriptor.buildFrom(file, new FileDescriptor[0]).findMessageTypeByName("Event");
    } catch (DescriptorValidationException e) {
      throw new AssertionError(e);
    }
  }

  private static DescriptorProto message(String name, FieldDescriptorProto.Builder... fields) {
    DescriptorProto.Builder message = DescriptorProto.newBuilder().setName(name);
    for (FieldDescriptorProto.Builder field : fields) {
      message.addField(field);
    }
    return message.build();
  }

  private static FieldDescriptorProto.Builder field(String name, int number, Type type) {
    return FieldDescriptorProto.newBuilder().setName(name).setNumber(number).setType(type);
  }
}
