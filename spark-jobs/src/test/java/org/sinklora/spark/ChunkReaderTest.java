package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** However the inputs are cut, every text is read once and in order. */
class ChunkReaderTest {
  @TempDir private Path folder;

  private static List<String> texts(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> i + " Größe 漢字 🙂 ".repeat(i % 50 == 49 ? 200 : i % 7))
        .toList();
  }

  private List<TextChunk> cut(long limit, Path... inputs) throws IOException {
    TextSources sources = new TextSources(Storage.here(), List.of(".txt"));
    for (Path input : inputs) {
      sources.add(input.toString());
    }
    return TextChunk.cut(sources, limit);
  }

  private static List<String> read(List<TextChunk> chunks) throws IOException {
    List<String> read = new ArrayList<>();
    for (TextChunk chunk : chunks) {
      try (ChunkReader reader = ChunkReader.open(chunk, "text", null)) {
        for (Text text = reader.next(); text != null; text = reader.next()) {
          read.add(text.text());
        }
      }
    }
    return read;
  }

  @Test
  void aLineBelongsToTheRangeInWhichItBegins() throws IOException {
    List<String> texts = texts(200);
    StringBuilder lines = new StringBuilder();
    for (String text : texts) {
      lines.append(
          "{\"text\": \"%s\"}%s".formatted(text, text.length() % 2 == 0 ? "\n" : "\r\n\n"));
    }
    Path file = Files.writeString(folder.resolve("texts.jsonl"), lines);
    for (long limit : new long[] {1, 100, 1009, 1 << 20}) {
      List<TextChunk> chunks = cut(limit, file);
      assertEquals(-Math.floorDiv(-Files.size(file), limit), chunks.size());
      assertEquals(texts, read(chunks));
      assertEquals(
          chunks.size(),
          new HashSet<>(chunks.stream().map(TextChunk::fingerprint).toList()).size());
    }
    Files.writeString(file, lines + "no object\n");
    IOException failure = assertThrows(IOException.class, () -> read(cut(1000, file)));
    String place = "at byte %,d,".formatted(Files.size(file) - "no object\n".length());
    assertTrue(failure.getMessage().contains(place), failure.getMessage());
  }

  @Test
  void aRowGroupIsReadByOne() throws IOException {
    List<String> texts = texts(3000);
    MessageType schema =
        MessageTypeParser.parseMessageType(
            "message m { required int64 id; optional binary text (STRING); }");
    Path file = folder.resolve("texts.parquet");
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(new org.apache.hadoop.fs.Path(file.toString()))
            .withType(schema)
            .withConf(new Configuration())
            .withRowGroupRowCountLimit(100)
            .build()) {
      SimpleGroupFactory rows = new SimpleGroupFactory(schema);
      for (String text : texts) {
        writer.write(rows.newGroup().append("id", 1L).append("text", text));
        writer.write(rows.newGroup().append("id", 1L));
      }
    }
    for (long limit : new long[] {1000, 4096, 1 << 20}) {
      assertEquals(texts, read(cut(limit, file)));
    }
    assertEquals(
        "no column 'body'; it has [id, text]",
        failure(file, "body").replaceFirst(".*has (no column.*);.*", "$1"));
    assertTrue(failure(file, "id").contains("no text"), failure(file, "id"));
  }

  private String failure(Path file, String column) throws IOException {
    TextChunk chunk = cut(1 << 20, file).get(0);
    return assertThrows(
            UserException.class,
            () -> {
              try (ChunkReader reader = ChunkReader.open(chunk, column, null)) {
                reader.next();
              }
            })
        .getMessage();
  }

  @Test
  void aNewFileChangesNoOtherGroup() throws IOException {
    Path texts = Files.createDirectory(folder.resolve("texts"));
    for (int i = 0; i < 2000; i++) {
      Files.writeString(texts.resolve("%05d.txt".formatted(i)), "text " + i);
    }
    List<TextChunk> before = cut(1 << 20, texts);
    assertTrue(before.size() > 2 && before.size() < 50, before.size() + " groups");
    assertEquals(2000, read(before).size());
    Files.writeString(texts.resolve("00000a.txt"), "new");
    List<String> known = before.stream().map(TextChunk::fingerprint).toList();
    long changed =
        cut(1 << 20, texts).stream().filter(chunk -> !known.contains(chunk.fingerprint())).count();
    assertTrue(changed <= 2, changed + " groups changed");
  }
}
