package org.sinklora.lora.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.lora.FormatFixtures;

class SafeTensorsFileTest {
  @TempDir Path folder;

  private Path write(String header, ByteBuffer data) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    byte[] bytes =
        ByteBuffer.allocate(8 + json.length + data.remaining())
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(json.length)
            .put(json)
            .put(data)
            .array();
    return Files.write(folder.resolve("made.safetensors"), bytes);
  }

  @Test
  void readsWhatTheReferenceWrote() throws IOException {
    Path file = FormatFixtures.path("llama-mha/expected.safetensors");
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      assertTrue(opened.info("logits_full").hasShape(2, 64, 259));
      assertEquals(Dtype.I64, opened.info("input_ids").dtype());
      long[] ids = opened.readLongs("input_ids");
      assertEquals(128, ids.length);
      for (long id : ids) {
        assertTrue(id >= 0 && id < 259);
      }
      assertTrue(opened.info("h2o_alive_0").dtype() == Dtype.U8);
      for (long alive : opened.readLongs("h2o_alive_0")) {
        assertTrue(alive == 0 || alive == 1);
      }
      float[] losses = new float[12];
      opened.readFloats("adamw_losses", 0, losses, 1, 10);
      assertTrue(losses[1] > losses[10] && losses[0] == 0 && losses[11] == 0);
    }
  }

  @Test
  void readsMetadataAndScalarsAndEmptyTensors() throws IOException {
    ByteBuffer data = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    data.putDouble(0.1).putFloat(3).flip();
    Path file =
        write(
            "{\"__metadata__\":{\"format\":\"pt\"},"
                + "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[8,8]},"
                + "\"scalar\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
                + "\"odd\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}   ",
            data);
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      assertEquals(Map.of("format", "pt"), opened.metadata());
      assertEquals(Set.of("empty", "scalar", "odd"), opened.names());
      float[] value = new float[1];
      opened.readFloats("scalar", 0, value, 0, 1);
      assertEquals(0.1f, value[0]);
      opened.readFloats("odd", 0, value, 0, 1);
      assertEquals(3f, value[0]);
      opened.readFloats("empty", 0, value, 0, 0);
      assertEquals(List.of(), opened.bytes("empty"));
    }
  }

  @Test
  void readsEveryIntegerType() throws IOException {
    ByteBuffer data = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
    data.putLong(-7).putInt(-6).putInt(-1).putShort((short) -5).putShort((short) -1);
    data.put((byte) -4).put((byte) -1).put((byte) 1).put((byte) 0).flip();
    Path file =
        write(
            "{\"I64\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                + "\"I32\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[8,12]},"
                + "\"U32\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[12,16]},"
                + "\"I16\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[16,18]},"
                + "\"U16\":{\"dtype\":\"U16\",\"shape\":[1],\"data_offsets\":[18,20]},"
                + "\"I8\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[20,21]},"
                + "\"U8\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[21,22]},"
                + "\"BOOL\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[22,24]}}",
            data);
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      Map<String, long[]> expected =
          Map.of(
              "I64", new long[] {-7},
              "I32", new long[] {-6},
              "U32", new long[] {0xffff_ffffL},
              "I16", new long[] {-5},
              "U16", new long[] {65535},
              "I8", new long[] {-4},
              "U8", new long[] {255},
              "BOOL", new long[] {1, 0});
      expected.forEach((name, values) -> assertArrayEquals(values, opened.readLongs(name)));
      assertThrows(
          SafeTensorsException.class, () -> opened.readFloats("I64", 0, new float[1], 0, 1));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 64, 1024})
  void windowsDoNotShow(int windowBytes) throws IOException {
    Path file = FormatFixtures.path("llama-mha/base/model.safetensors");
    String name = "model.layers.0.mlp.down_proj.weight";
    float[] whole = FormatFixtures.floats(file, name);
    try (SafeTensorsFile opened = SafeTensorsFile.open(file, windowBytes)) {
      float[] part = new float[700];
      opened.readFloats(name, 1001, part, 3, 650);
      for (int i = 0; i < 650; i++) {
        assertEquals(whole[1001 + i], part[3 + i]);
      }
      assertEquals(
          4L * whole.length, opened.bytes(name).stream().mapToLong(ByteBuffer::remaining).sum());
    }
  }

  @Test
  void readsBeyondTwoGibibytes() throws IOException {
    long elements = (5L << 29) / 4; // 2.5 GiB, of which the file system stores the end alone
    byte[] header =
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]}}"
            .formatted(elements, 4 * elements)
            .getBytes(StandardCharsets.UTF_8);
    Path file = folder.resolve("large.safetensors");
    try (RandomAccessFile large = new RandomAccessFile(file.toFile(), "rw")) {
      ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      large.write(length.putLong(header.length).array());
      large.write(header);
      large.setLength(8 + header.length + 4 * elements);
      large.seek(8 + header.length + 4 * (elements - 1));
      large.write(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(7).array());
    }
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      float[] tail = new float[2];
      opened.readFloats("w", elements - 2, tail, 0, 2);
      assertArrayEquals(new float[] {0, 7}, tail);
      assertEquals(3, opened.bytes("w").size());
      assertThrows(
          IndexOutOfBoundsException.class, () -> opened.readFloats("w", elements - 1, tail, 0, 2));
    }
  }

  @Test
  void wrongRequestsAreRefused() throws IOException {
    Path file = FormatFixtures.path("llama-mha/expected.safetensors");
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      assertTrue(
          assertThrows(SafeTensorsException.class, () -> opened.info("nothing"))
              .getMessage()
              .contains("nothing"));
      float[] values = new float[4];
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> opened.readFloats("adamw_losses", 8, values, 0, 3));
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> opened.readFloats("adamw_losses", -1, values, 0, 1));
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> opened.readFloats("adamw_losses", 0, values, 2, 3));
      assertThrows(SafeTensorsException.class, () -> opened.readLongs("adamw_losses"));
    }
  }
}
