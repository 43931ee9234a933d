package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextFilesTest {
  @TempDir Path folder;

  private Path write(String name, byte... content) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.write(file, content);
  }

  private Path write(String name, String text) throws IOException {
    return write(name, text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void filesComeFromAllSubfoldersInTheOrderOfTheirNames() throws IOException {
    write("b.txt", "b");
    write("a/z.md", "z");
    write("a/deep/x.txt", "\uFEFFline\r\nline\n");
    write("a/other.bin", "no");
    write("empty.txt", "");
    Files.createDirectory(folder.resolve("folder.txt"));

    assertEquals(
        List.of(
            new Document("a/deep/x.txt", "line\nline\n"),
            new Document("a/z.md", "z"),
            new Document("b.txt", "b"),
            new Document("empty.txt", "")),
        TextFiles.read(folder, ".txt", ".md"));
  }

  @Test
  void malformedTextIsNamedWithItsPlace() throws IOException {
    write("fine.txt", "fine");
    Path latin = write("latin.txt", (byte) 'a', (byte) 'b', (byte) 0xE9, (byte) 'c');
    IOException error = assertThrows(IOException.class, () -> TextFiles.read(folder, ".txt"));
    assertTrue(error.getMessage().contains(latin + " is not UTF-8 at byte 2"), error.getMessage());
  }

  @Test
  void aCharacterCutShortIsMalformed() throws IOException {
    write("cut.txt", (byte) 'a', (byte) 0xE4, (byte) 0xBD);
    IOException error = assertThrows(IOException.class, () -> TextFiles.read(folder, ".txt"));
    assertTrue(error.getMessage().contains("at byte 1"), error.getMessage());
  }

  @Test
  void aFolderWithoutSuchFilesIsAnError() throws IOException {
    write("a.md", "text");
    IOException error = assertThrows(IOException.class, () -> TextFiles.read(folder, ".txt"));
    assertTrue(error.getMessage().contains("[.txt]"), error.getMessage());
    assertThrows(NotDirectoryException.class, () -> TextFiles.read(folder.resolve("a.md"), ".md"));
  }

  @Test
  void aLinkInACircleEnds() throws IOException {
    write("a.txt", "a");
    Files.createSymbolicLink(folder.resolve("loop"), folder);
    assertEquals(List.of(new Document("a.txt", "a")), TextFiles.read(folder, ".txt"));
  }

  @Test
  void charactersAreCodePoints() {
    assertEquals(3, new Document("a", "a\uD83D\uDE00b").characters());
  }
}
