package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TokenFileTest {
  @TempDir Path temp;

  private Path write(String name, int vocabulary, int... ids) throws IOException {
    Path file = temp.resolve(name);
    try (TokenFileWriter writer = TokenFileWriter.create(file, vocabulary)) {
      writer.write(ids);
      assertEquals(ids.length, writer.size());
      writer.commit();
    }
    return file;
  }

  private void assertOnly(String... names) throws IOException {
    try (Stream<Path> files = Files.list(temp)) {
      assertArrayEquals(names, files.map(file -> file.getFileName().toString()).sorted().toArray());
    }
  }

  @Test
  void sixteenBitsLittleEndianAsLongLora() throws IOException {
    Path file = write("a.bin", 65_536, 1, 258, 65_535);
    assertEquals("01000201ffff", HexFormat.of().formatHex(Files.readAllBytes(file)));
    TokenFile tokens = TokenFile.open(file, 65_536);
    assertEquals(3, tokens.size());
    assertArrayEquals(new int[] {1, 258, 65_535}, tokens.read(0, 3));
  }

  @Test
  void thirtyTwoBitsLittleEndian() throws IOException {
    Path file = write("a.u32.bin", 128_256, 1, 128_255);
    assertEquals("01000000fff40100", HexFormat.of().formatHex(Files.readAllBytes(file)));
    assertArrayEquals(new int[] {1, 128_255}, TokenFile.open(file, 128_256).read(0, 2));
  }

  @ParameterizedTest
  @CsvSource({"a.bin,64", "a.u32.bin,64", "a.bin,1073741824"})
  void readsAcrossSegments(String name, int segmentBytes) throws IOException {
    int[] ids = IntStream.range(0, 50_001).map(i -> i * 31 % 60_000).toArray();
    TokenFile tokens = TokenFile.open(write(name, 60_000, ids), 60_000, segmentBytes);
    assertArrayEquals(ids, tokens.read(0, ids.length));
    assertArrayEquals(Arrays.copyOfRange(ids, 30, 35), tokens.read(30, 5));
  }

  @Test
  void readsBeyondTwoGibibytes() throws IOException {
    Path file = temp.resolve("large.bin");
    long last = 3_000_000_000L;
    // A sparse file: only its last block takes space.
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE,
            StandardOpenOption.SPARSE)) {
      channel.write(ByteBuffer.wrap(new byte[] {7, 1, 8, 1}), last);
    }
    TokenFile tokens = TokenFile.open(file, 1000);
    assertEquals(last / 2 + 2, tokens.size());
    assertArrayEquals(new int[] {0, 263, 264}, tokens.read(last / 2 - 1, 3));
    StreamWindows windows = new StreamWindows(tokens, 4, 2);
    assertArrayEquals(new int[] {0, 0, 263, 264}, windows.get(windows.count() - 1));
  }

  @Test
  void anEmptyFileHasNoTokens() throws IOException {
    TokenFile tokens = TokenFile.open(write("a.bin", 10), 10);
    assertEquals(0, tokens.size());
    assertArrayEquals(new int[0], tokens.read(0, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> tokens.read(0, 1));
  }

  @Test
  void readsStayInside() throws IOException {
    TokenFile tokens = TokenFile.open(write("a.bin", 10, 1, 2, 3), 10);
    assertThrows(IndexOutOfBoundsException.class, () -> tokens.read(2, 2));
    assertThrows(IndexOutOfBoundsException.class, () -> tokens.read(-1, 1));
    assertThrows(IndexOutOfBoundsException.class, () -> tokens.read(Long.MAX_VALUE, 1));
    assertThrows(IndexOutOfBoundsException.class, () -> tokens.read(0, -1));
  }

  @ParameterizedTest
  @CsvSource({"a.bin,3", "a.u32.bin,6", "a.u32.bin,5"})
  void aSizeThatIsNoMultipleIsNamed(String name, int bytes) throws IOException {
    Path file = Files.write(temp.resolve(name), new byte[bytes]);
    String message = assertThrows(IOException.class, () -> TokenFile.open(file, 10)).getMessage();
    assertTrue(message.contains(file + " has " + bytes + " bytes"), message);
  }

  @Test
  void anIdOutsideTheVocabularyIsNamed() throws IOException {
    Path narrow = write("a.bin", 2048, 5, 6, 2047);
    TokenFile tokens = TokenFile.open(narrow, 2047);
    assertArrayEquals(new int[] {5, 6}, tokens.read(0, 2));
    String message = assertThrows(IOException.class, () -> tokens.read(1, 2)).getMessage();
    assertTrue(message.contains(narrow + " holds id 2047 at position 2"), message);
    assertTrue(message.contains("vocabulary of 2,047"), message);

    Path wide = temp.resolve("b.u32.bin");
    Files.write(wide, new byte[] {-1, -1, -1, -1});
    TokenFile unsigned = TokenFile.open(wide, Integer.MAX_VALUE);
    message = assertThrows(IOException.class, () -> unsigned.read(0, 1)).getMessage();
    assertTrue(message.contains("id 4294967295 at position 0"), message);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.txt", "bin", "a.bin.gz"})
  void anotherNameIsRefused(String name) {
    Path file = temp.resolve(name);
    assertThrows(IllegalArgumentException.class, () -> TokenFile.open(file, 10));
    assertThrows(IllegalArgumentException.class, () -> TokenFileWriter.create(file, 10));
  }

  @Test
  void aVocabularyTooLargeForTheFileIsRefused() throws IOException {
    Path file = temp.resolve("a.bin");
    Exception error =
        assertThrows(IllegalArgumentException.class, () -> TokenFileWriter.create(file, 65_537));
    assertTrue(error.getMessage().contains("65,537"), error.getMessage());
    assertTrue(error.getMessage().contains("*.u32.bin"), error.getMessage());
    assertThrows(IllegalArgumentException.class, () -> TokenFileWriter.create(file, 0));
    assertOnly();
  }

  @Test
  void aMissingFileIsNamed() {
    Path file = temp.resolve("missing.bin");
    Exception error = assertThrows(NoSuchFileException.class, () -> TokenFile.open(file, 10));
    assertTrue(error.getMessage().contains(file.toString()), error.getMessage());
  }

  @Test
  void anIdThatDoesNotFitIsRefusedAndTheOldFileStays() throws IOException {
    Path file = write("a.bin", 10, 1, 2);
    for (int id : new int[] {-1, 10, 65_536 + 3}) {
      try (TokenFileWriter writer = TokenFileWriter.create(file, 10)) {
        writer.write(3);
        Exception error = assertThrows(IllegalArgumentException.class, () -> writer.write(4, id));
        assertTrue(error.getMessage().contains("Id " + id + " for position 2"), error.getMessage());
      }
    }
    assertArrayEquals(new int[] {1, 2}, TokenFile.open(file, 10).read(0, 2));
    assertOnly("a.bin");
  }

  @Test
  void theFileAppearsWithItsCommitAndReplacesTheOld() throws IOException {
    Path file = write("a.bin", 10, 1, 2);
    try (TokenFileWriter writer = TokenFileWriter.create(file, 10)) {
      writer.write(7);
      assertArrayEquals(new int[] {1, 2}, TokenFile.open(file, 10).read(0, 2));
      writer.commit();
    }
    assertEquals(1, TokenFile.open(file, 10).size());
    assertOnly("a.bin");
  }
}
