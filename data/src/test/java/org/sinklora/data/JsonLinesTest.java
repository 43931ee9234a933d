package org.sinklora.data;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonLinesTest {
  @TempDir private Path folder;

  private Path file(String text) throws IOException {
    return Files.writeString(folder.resolve("a.jsonl"), text);
  }

  @Test
  void everyLineIsADocumentNamedByItsText() throws IOException {
    List<Document> documents =
        JsonLines.read(file("{\"body\":\"one\\n\"}\n\n{\"x\":1,\"body\":\"zw\u00f6lf\"}"), "body");
    assertEquals(List.of("one\n", "zw\u00f6lf"), documents.stream().map(Document::text).toList());
    assertEquals(Document.ofContent("one\n"), documents.get(0));
    assertNotEquals(documents.get(0).name(), documents.get(1).name());
  }

  @Test
  void mistakesAreToldWithTheirLine() throws IOException {
    assertFails("{\"body\":\"x\"}\n{\"body\"", "line 2", "no JSON object");
    assertFails("{\"body\":\"x\"}\n{\"text\":\"y\"}", "line 2", "'body'", "its fields: text");
    assertFails("[1]", "line 1", "no object");
    assertFails("{\"body\":3}", "no text");
    assertFails("\n\n", "is empty");
    assertFails("{\"body\":\"x\"}\n{\"body\":null}", "line 2", "has null in the field 'body'");
    assertFails("{\"body\":\"x\"}{\"body\":\"y\"}", "line 1", "nothing else on the line");
    assertFails("{\"body\":\"x\"} trailing", "line 1", "nothing else on the line");
  }

  @Test
  void linesAreStrictUtf8() throws IOException {
    Path file = folder.resolve("a.jsonl");
    byte[] latin1 = "{\"body\":\"x\"}\r\n{\"body\":\"zw\u00f6lf\"}".getBytes(ISO_8859_1);
    Files.write(file, latin1);
    String said = assertThrows(IOException.class, () -> JsonLines.read(file, "body")).getMessage();
    assertTrue(said.contains("line 2 is not UTF-8 at byte 11 of the line"), said);
    // As Hadoop gives the lines.
    byte[] second = Arrays.copyOfRange(latin1, 14, latin1.length + 5);
    int length = latin1.length - 14;
    assertThrows(IOException.class, () -> JsonLines.document(second, length, "body", "it"));
    second[11] = 'o';
    assertEquals("zwolf", JsonLines.document(second, length, "body", "it").get().text());
  }

  @Test
  void linesEndInEveryWayAndAByteOrderMarkIsNoneOfTheText() throws IOException {
    String long1 = "x".repeat(70_000);
    String text = "\uFEFFone\r\ntwo\rthree\n\n" + long1 + "\r";
    try (Utf8Lines lines =
        new Utf8Lines(new ByteArrayInputStream(text.getBytes(UTF_8)), "a.jsonl")) {
      for (String expected : List.of("one", "two", "three", "", long1)) {
        assertEquals(expected, lines.next());
      }
      assertEquals("a.jsonl, line 5", lines.where());
      assertNull(lines.next());
    }
  }

  @Test
  void aTextMayBeLongerThanTheLibraryAllowsByDefault() throws IOException {
    String text = "a".repeat(20_000_001);
    assertEquals(
        text, JsonLines.document("{\"text\": \"" + text + "\"}", "text", "it").get().text());
  }

  private void assertFails(String text, String... said) throws IOException {
    Path file = file(text);
    String message =
        assertThrows(IOException.class, () -> JsonLines.read(file, "body")).getMessage();
    for (String words : said) {
      assertTrue(message.contains(words), words + " in: " + message);
    }
  }

  @Test
  void theSplitDependsOnTheNameAlone() {
    HeldOutSplit split = new HeldOutSplit(0.25);
    int held = 0;
    for (int i = 0; i < 4000; i++) {
      held += split.holdsOut("document " + i) ? 1 : 0;
      assertEquals(
          split.holdsOut("document " + i), new HeldOutSplit(0.25).holdsOut("document " + i));
      assertTrue(new HeldOutSplit(1).holdsOut("document " + i));
      assertTrue(!new HeldOutSplit(0).holdsOut("document " + i));
      // A larger share holds out what a smaller one does.
      assertTrue(
          !split.holdsOut("document " + i) || new HeldOutSplit(0.5).holdsOut("document " + i));
    }
    assertEquals(1000, held, 120);
    assertThrows(IllegalArgumentException.class, () -> new HeldOutSplit(1.5));
    assertThrows(IllegalArgumentException.class, () -> new HeldOutSplit(Double.NaN));
  }
}
