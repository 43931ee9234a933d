package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.TokenFile;
import org.sinklora.data.Tokenizer;

/** Token files: the same bytes however few texts are in memory at once. */
class TokenPreparationTest {
  private static final HeldOutSplit SPLIT = new HeldOutSplit(0.3);

  @TempDir private Path folder;
  private final Storage storage = Storage.here();
  private TextSources sources;

  private static String text(int number) {
    return "text %d of some length Größe 🙂 ".formatted(number).repeat(number % 9 + 1);
  }

  /** Names and texts that come twice, a short one; read not in the order of their names. */
  @BeforeEach
  void write() throws IOException {
    Path one = Files.createDirectories(folder.resolve("one/texts"));
    Path two = Files.createDirectories(folder.resolve("two/texts"));
    for (int i = 0; i < 60; i++) {
      Files.writeString(two.resolve("%d.txt".formatted(i)), text(i));
    }
    // A name that the other folder has too, which has the same name: none is lost.
    Files.writeString(one.resolve("9.txt"), "another of the same name");
    Files.writeString(one.resolve("zzz.txt"), "another of the same name");
    Files.writeString(one.resolve("short.txt"), "tiny");
    // Equal to one that is read earlier, and its name comes first.
    Files.writeString(one.resolve("0.a.txt"), text(40));
    StringBuilder lines = new StringBuilder();
    for (int i = 50; i < 90; i++) {
      lines.append(new JsonMapper().createObjectNode().put("text", text(i))).append("\n\n");
    }
    Path file = Files.writeString(folder.resolve("lines.jsonl"), lines);
    sources = new TextSources(storage, List.of(".txt"));
    for (Path input : List.of(two, one, file)) {
      sources.add(input.toString());
    }
  }

  /** The definition: all texts at once, sorted by name. */
  private Map<String, String> kept(int minimumCharacters, Map<String, Long> dropped)
      throws IOException {
    List<Text> all = new ArrayList<>();
    try (SourceTexts texts = new SourceTexts(sources, "text")) {
      for (Text text = texts.next(); text != null; text = texts.next()) {
        all.add(text);
      }
    }
    all.sort(Comparator.comparing(Text::name));
    Map<String, String> kept = new TreeMap<>();
    Set<String> seen = new HashSet<>();
    for (Text text : all) {
      if (text.text().length() < minimumCharacters) {
        dropped.merge(QualityReport.TOO_SHORT, 1L, Long::sum);
      } else if (!seen.add(text.text())) {
        dropped.merge(QualityReport.DUPLICATE, 1L, Long::sum);
      } else {
        assertNull(kept.put(text.name(), text.text()), text.name());
      }
    }
    return kept;
  }

  private Prepared prepare(String name, int minimumCharacters, int batch, Tokenizer tokenizer)
      throws IOException {
    PreparationSettings settings =
        new PreparationSettings(
            ModelSource.of(BundledModel.NAME, storage), SPLIT, minimumCharacters, 0, null, 0);
    try (SourceTexts texts = new SourceTexts(sources, "text")) {
      return new TokenPreparation(storage, settings, batch)
          .write(texts, tokenizer, folder.resolve(name).toString(), null);
    }
  }

  @Test
  void howMuchIsTokenisedAtOnceChangesNothing() throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      Prepared whole = prepare("whole", 5, Integer.MAX_VALUE, tokenizer);
      for (int batch : new int[] {1, 500}) {
        Prepared parts = prepare("parts" + batch, 5, batch, tokenizer);
        assertEquals(whole.info(), parts.info());
        for (String file : List.of("train.bin", "heldout.bin", DataSetInfo.FILE)) {
          assertArrayEquals(
              Files.readAllBytes(folder.resolve("whole").resolve(file)),
              Files.readAllBytes(folder.resolve("parts" + batch).resolve(file)),
              file);
        }
        assertEquals(whole.report().dropped(), parts.report().dropped());
        assertEquals(whole.report().keptCharacters(), parts.report().keptCharacters());
      }
      Map<String, Long> dropped = new TreeMap<>();
      Map<String, String> kept = kept(5, dropped);
      assertEquals(Set.of(QualityReport.TOO_SHORT, QualityReport.DUPLICATE), dropped.keySet());
      assertTrue(kept.containsKey("one/texts/9.txt") && kept.containsKey("two/texts/9.txt"));
      assertEquals(dropped, whole.report().dropped());
      assertEquals(104, whole.report().documents());
      assertEquals(kept.size(), whole.report().keptDocuments());
      for (Split split : Split.values()) {
        check(kept, split, whole.info(), tokenizer);
      }
    }
  }

  private void check(Map<String, String> kept, Split split, DataSetInfo info, Tokenizer tokenizer)
      throws IOException {
    List<int[]> documents =
        kept.entrySet().stream()
            .filter(text -> SPLIT.holdsOut(text.getKey()) == (split == Split.HELD_OUT))
            .map(text -> TokenDocuments.encode(tokenizer, text.getValue()))
            .toList();
    assertTrue(documents.size() > 10, split + ": " + documents.size());
    assertEquals(DataSetInfo.Part.of(documents), info.part(split));
    Path path = folder.resolve("whole").resolve(info.tokenFile(split));
    TokenFile file = TokenFile.open(path, tokenizer.vocabularySize());
    assertArrayEquals(
        documents.stream().flatMapToInt(Arrays::stream).toArray(), file.read(0, (int) file.size()));
  }

  @Test
  void inputsAreCalledByAsMuchOfTheirPathAsTellsThemApart() {
    assertEquals(Map.of("/a/texts", "texts"), InputNames.of(List.of("/a/texts", "/a/texts")));
    assertEquals(
        Map.of("/a/texts", "texts", "/a/b.txt", "b.txt"),
        InputNames.of(List.of("/a/texts", "/a/b.txt")));
    assertEquals(
        Map.of("/x/a/texts", "x/a/texts", "/y/a/texts", "y/a/texts", "/a/more", "more"),
        InputNames.of(List.of("/x/a/texts", "/y/a/texts", "/a/more")));
    // What lies in /c/a must not be called as what lies in /x/a/texts.
    assertEquals(
        Map.of("/x/a/texts", "x/a/texts", "/b/texts", "b/texts", "/c/a", "c/a"),
        InputNames.of(List.of("/x/a/texts", "/b/texts", "/c/a")));
    // One in the other: their files are the same.
    assertEquals(Map.of("/a", "a", "/a/a", "a/a"), InputNames.of(List.of("/a", "/a/a")));
  }

  @Test
  void whatFailsLeavesNothing() throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      UserException none =
          assertThrows(UserException.class, () -> prepare("none", 1 << 20, 1, tokenizer));
      assertTrue(none.getMessage().contains("No document is left"), none.getMessage());
      Files.writeString(folder.resolve("broken.jsonl"), "{\"text\": \"good\"}\nno object\n");
      sources.add(folder.resolve("broken.jsonl").toString());
      IOException broken = assertThrows(IOException.class, () -> prepare("none", 0, 1, tokenizer));
      assertTrue(
          broken.getMessage().contains("broken.jsonl, line 2 is no JSON"), broken.getMessage());
      assertFalse(Files.exists(folder.resolve("none")));
      Files.writeString(folder.resolve("table.parquet"), "PAR1");
      sources.add(folder.resolve("table.parquet").toString());
      UserException parquet =
          assertThrows(UserException.class, () -> prepare("none", 0, 1, tokenizer));
      assertTrue(parquet.getMessage().contains("without --token-files"), parquet.getMessage());
    }
  }
}
