package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
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
import org.sinklora.data.BundledModel;
import org.sinklora.data.ChatTemplate;
import org.sinklora.data.ConversationReader;
import org.sinklora.data.HeldOutSplit;

/** However the inputs are cut, every text is read once and in order. */
class ChunkReaderTest {
  @TempDir private Path folder;

  private static List<String> texts(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> i + " Größe 漢字 🙂 ".repeat(i % 50 == 49 ? 200 : i % 7))
        .toList();
  }

  private static List<TextChunk> cut(long limit, Path input) throws IOException {
    TextSources sources = new TextSources(Storage.here(), List.of(".txt"));
    sources.add(input.toString());
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

  private static List<TextChunk> cutConversations(long limit, Path file) throws IOException {
    TextSources sources = TextSources.ofConversations(Storage.here());
    sources.add(file.toString());
    return TextChunk.cut(sources, limit);
  }

  private static List<String> readConversations(List<TextChunk> chunks) throws IOException {
    PreparationSettings settings =
        new PreparationSettings(
            ModelSource.of(BundledModel.NAME, Storage.here()),
            new HeldOutSplit(0),
            0,
            0,
            new Supervision(ConversationReader.Format.CHAT, "chatml", ChatTemplate.named("chatml")),
            0);
    List<String> read = new ArrayList<>();
    for (TextChunk chunk : chunks) {
      try (ChunkReader reader = ChunkReader.open(chunk, null, settings)) {
        for (Text text = reader.next(); text != null; text = reader.next()) {
          read.add(text.name() + text.text() + Arrays.toString(text.answers()));
        }
      }
    }
    return read;
  }

  private static String chat(String question, String answer) {
    return """
        {"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]}"""
        .formatted(question, answer);
  }

  @Test
  void conversationsInLinesAreCutAsLinesAre() throws IOException {
    List<String> chats = texts(200).stream().map(text -> chat("How does it go on?", text)).toList();
    StringBuilder lines = new StringBuilder("\ufeff \n");
    for (String chat : chats) {
      lines.append(chat).append(chat.length() % 2 == 0 ? "\n" : "\r\n \r\n");
    }
    Path file = Files.writeString(folder.resolve("chats.jsonl"), lines);
    List<TextChunk> whole = cutConversations(Files.size(file), file);
    assertEquals(1, whole.size());
    List<String> expected = readConversations(whole);
    assertEquals(200, expected.size());
    for (long limit : new long[] {50, 1009, Files.size(file) - 1}) {
      List<TextChunk> chunks = cutConversations(limit, file);
      assertEquals(-Math.floorDiv(-Files.size(file), limit), chunks.size());
      assertEquals(expected, readConversations(chunks));
    }
    // Not in lines: one task reads it, whatever its size.
    String array = "\n[" + String.join(",\n", chats) + "]\n";
    for (String name : List.of("array.jsonl", "array.json", "lines.json")) {
      String content = name.startsWith("array") ? array : lines.toString();
      List<TextChunk> one = cutConversations(50, Files.writeString(folder.resolve(name), content));
      assertEquals(1, one.size(), name);
      assertEquals(expected, readConversations(one), name);
    }
  }

  @Test
  void aLineThatIsNoConversationIsNamedByItsPlace() throws IOException {
    String good = (chat("Größe?", "groß") + "\n").repeat(20);
    String way = "; write each object with 'messages' on a line of its own, or name the file .json";
    lineFails(good, "{\"messages\": [", "is not one whole JSON object (Unexpected end", way);
    lineFails(good, chat("a", "b") + chat("c", "d"), "is not one whole JSON object (Trail", way);
    lineFails(good, "[" + chat("a", "b") + "]", "object (it is ARRAY)", way);
    lineFails(good, chat("a", ""), ", message 2 is an empty answer", "fill it in");
    lineFails(good, "{\"text\": \"a\"}", "has no list 'messages'", "");
  }

  private void lineFails(String before, String line, String... said) throws IOException {
    Path file = Files.writeString(folder.resolve("broken.jsonl"), before + line + "\n" + before);
    List<TextChunk> chunks = cutConversations(500, file);
    String message = assertThrows(IOException.class, () -> readConversations(chunks)).getMessage();
    String place =
        "broken.jsonl, the line at byte %,d"
            .formatted(before.getBytes(StandardCharsets.UTF_8).length);
    assertTrue(message.contains(place), message);
    for (String part : said) {
      assertTrue(message.contains(part), message);
    }
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
