package org.sinklora.lora.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.lora.FormatFixtures;

class SafeTensorsWriterTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama-mha/base/model.safetensors",
        "llama-gqa-embed-norm/adapter/adapter_model.safetensors",
        "gpt-neox/base/model.safetensors"
      })
  void floatsMakeTheSameFileAsTheReference(String name) throws IOException {
    Path original = FormatFixtures.path(name);
    Path copy = folder.resolve("copy.safetensors");
    try (SafeTensorsFile source = SafeTensorsFile.open(original)) {
      SafeTensorsWriter writer = new SafeTensorsWriter();
      for (String tensor : source.names()) {
        writer.add(
            tensor,
            source.info(tensor),
            (first, destination, at, count) ->
                source.readFloats(tensor, first, destination, at, count));
      }
      writer.write(copy);
    }
    assertArrayEquals(Files.readAllBytes(original), Files.readAllBytes(copy));
  }

  @Test
  void bytesOfAllTypesAreCopied() throws IOException {
    Path original = FormatFixtures.path("llama-gqa-embed-norm/expected.safetensors");
    Path copy = folder.resolve("copy.safetensors");
    // Small windows, so that a tensor arrives in several parts.
    try (SafeTensorsFile source = SafeTensorsFile.open(original, 4096)) {
      SafeTensorsWriter writer = new SafeTensorsWriter();
      for (String tensor : source.names()) {
        writer.addBytes(tensor, source.info(tensor), () -> source.bytes(tensor));
      }
      writer.write(copy);
      try (SafeTensorsFile written = SafeTensorsFile.open(copy)) {
        assertEquals(List.copyOf(source.names()), List.copyOf(written.names()));
        for (String tensor : source.names()) {
          ByteBuffer expected = ByteBuffer.allocate((int) source.info(tensor).byteSize());
          source.bytes(tensor).forEach(expected::put);
          assertEquals(expected.flip(), written.bytes(tensor).get(0));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Dtype.class,
      names = {"F32", "F16", "BF16"})
  void aLongTensorIsWrittenInChunks(Dtype dtype) throws IOException {
    int elements = 200_003;
    Path file = folder.resolve("long.safetensors");
    new SafeTensorsWriter()
        .add(
            "w",
            TensorInfo.of(dtype, elements),
            (first, destination, at, count) -> {
              for (int i = 0; i < count; i++) {
                destination[at + i] = (first + i) % 251;
              }
            })
        .write(file);
    float[] values = FormatFixtures.floats(file, "w");
    for (int i = 0; i < elements; i++) {
      assertEquals(i % 251, values[i]);
    }
  }

  @Test
  void namesNeedNotBeSimple() throws IOException {
    String name = "a \"quoted\" \u00e9\ud83d\ude00\n name";
    Path file = folder.resolve("names.safetensors");
    new SafeTensorsWriter()
        .metadata("note", "\u00fc")
        .add(name, TensorInfo.of(Dtype.F32), (first, destination, at, count) -> destination[at] = 5)
        .add("none", TensorInfo.of(Dtype.F32, 0), (first, destination, at, count) -> {})
        .write(file);
    assertEquals(5, FormatFixtures.floats(file, name)[0]);
    assertEquals(0, Files.size(file) % 4);
  }

  @Test
  void aFailureLeavesTheOldFileAndNothingElse() throws IOException {
    Path file = Files.writeString(folder.resolve("old.safetensors"), "old");
    SafeTensorsWriter failing =
        new SafeTensorsWriter()
            .add(
                "w",
                TensorInfo.of(Dtype.F32, 1_000_000),
                (first, destination, at, count) -> {
                  if (first > 500_000) {
                    throw new IllegalStateException("half way");
                  }
                });
    assertThrows(IllegalStateException.class, () -> failing.write(file));
    SafeTensorsWriter tooShort =
        new SafeTensorsWriter()
            .addBytes(
                "w", TensorInfo.of(Dtype.U8, 5), () -> List.of(ByteBuffer.wrap(new byte[] {1})));
    assertThrows(IllegalArgumentException.class, () -> tooShort.write(file));
    assertEquals("old", Files.readString(file));
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(List.of(file), left.toList());
    }
  }

  @Test
  void aFileCanReplaceTheOneItIsReadFrom() throws IOException {
    Path file = folder.resolve("same.safetensors");
    Files.copy(FormatFixtures.path("llama-mha/adapter/adapter_model.safetensors"), file);
    byte[] before = Files.readAllBytes(file);
    try (SafeTensorsFile source = SafeTensorsFile.open(file)) {
      SafeTensorsWriter writer = new SafeTensorsWriter();
      for (String tensor : source.names()) {
        writer.addBytes(tensor, source.info(tensor), () -> source.bytes(tensor));
      }
      writer.write(file);
    }
    assertArrayEquals(before, Files.readAllBytes(file));
  }

  @Test
  void wrongTensorsAreRefused() {
    SafeTensorsWriter writer = new SafeTensorsWriter();
    SafeTensorsWriter.FloatSource none = (first, destination, at, count) -> {};
    writer.add("w", TensorInfo.of(Dtype.F32, 1), none);
    TensorInfo floats = TensorInfo.of(Dtype.F32, 1);
    TensorInfo longs = TensorInfo.of(Dtype.I64, 1);
    assertThrows(IllegalArgumentException.class, () -> writer.add("w", floats, none));
    assertThrows(IllegalArgumentException.class, () -> writer.add("v", longs, none));
    assertThrows(IllegalArgumentException.class, () -> writer.add("__metadata__", floats, none));
  }
}
