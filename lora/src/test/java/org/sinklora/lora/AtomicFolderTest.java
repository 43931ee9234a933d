package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Folders appear whole or not at all, and never in the place of something else. */
class AtomicFolderTest {
  private static final String MARK = "mark.json";

  @TempDir Path temp;

  private static void write(Path folder, String text) throws IOException {
    AtomicFolder.write(
        folder,
        MARK,
        fresh -> {
          Files.writeString(fresh.resolve(MARK), text);
          Files.createDirectories(fresh.resolve("inner/deep"));
          Files.writeString(fresh.resolve("inner/deep/file"), text);
        });
  }

  private List<String> entries() throws IOException {
    try (Stream<Path> entries = Files.list(temp)) {
      return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aFolderIsWrittenAndReplaced() throws IOException {
    Path target = temp.resolve("a/b");
    write(target, "first");
    Files.writeString(target.resolve("old"), "of the first");
    write(target, "second");
    assertEquals("second", Files.readString(target.resolve("inner/deep/file")));
    assertTrue(Files.notExists(target.resolve("old")));
    try (Stream<Path> beside = Files.list(temp.resolve("a"))) {
      assertEquals(List.of(target), beside.toList());
    }
  }

  @Test
  void aFailureLeavesTheExistingFolderAndNothingElse() throws IOException {
    Path target = temp.resolve("folder");
    write(target, "first");
    for (Throwable failure :
        List.of(new IOException("disk full"), new IllegalStateException(), new Error("out"))) {
      assertThrows(
          failure.getClass(),
          () ->
              AtomicFolder.write(
                  target,
                  MARK,
                  fresh -> {
                    Files.writeString(fresh.resolve(MARK), "second");
                    sneakyThrow(failure);
                  }));
      assertEquals("first", Files.readString(target.resolve(MARK)));
      assertEquals(List.of("folder"), entries());
    }
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void sneakyThrow(Throwable failure) throws T {
    throw (T) failure;
  }

  @Test
  void aFailureLeavesNothingWhereNothingWas() throws IOException {
    assertThrows(
        IOException.class,
        () ->
            AtomicFolder.write(
                temp.resolve("folder"),
                null,
                fresh -> {
                  throw new IOException("disk full");
                }));
    assertEquals(List.of(), entries());
  }

  @Test
  void onlyAFolderOfTheSameKindIsReplaced() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("folder"));
    Files.writeString(folder.resolve("thesis.txt"), "years");
    Path file = Files.writeString(temp.resolve("file"), "text");
    for (Path target : List.of(folder, file)) {
      Exception error =
          assertThrows(FileAlreadyExistsException.class, () -> write(target, "second"));
      assertTrue(error.getMessage().contains(target.toString()), error.getMessage());
      assertTrue(error.getMessage().contains(MARK), error.getMessage());
    }
    assertEquals("years", Files.readString(folder.resolve("thesis.txt")));
    assertEquals("text", Files.readString(file));
    assertEquals(List.of("file", "folder"), entries());
  }

  @Test
  void withoutAMarkNothingIsReplacedButAnEmptyFolder() throws IOException {
    Path target = temp.resolve("folder");
    write(target, "first");
    assertThrows(
        FileAlreadyExistsException.class, () -> AtomicFolder.write(target, null, fresh -> {}));
    Path empty = Files.createDirectory(temp.resolve("empty"));
    AtomicFolder.write(empty, null, fresh -> Files.writeString(fresh.resolve("new"), "text"));
    assertEquals("text", Files.readString(empty.resolve("new")));
  }

  /**
   * A process that ends between the two moves leaves nothing at the target and the old beside it.
   */
  @Test
  void aReplacementThatWasCutOffIsTakenBack() throws IOException {
    Path target = temp.resolve("folder");
    write(target, "first");
    Path old = temp.resolve(".folder.0b8a2f5e-1d1c-4a39-9a57-6f1f2b1f8c11.old");
    Path another = temp.resolve(".folder-2.0b8a2f5e-1d1c-4a39-9a57-6f1f2b1f8c11.old");
    Files.move(target, old);
    Files.createDirectory(another);
    AtomicFolder.recover(target);
    assertEquals("first", Files.readString(target.resolve(MARK)));
    assertEquals(List.of(another.getFileName().toString(), "folder"), entries());

    // What is there is not touched, and writing recovers first: a failure then leaves the old one.
    AtomicFolder.recover(target);
    Files.move(target, old);
    assertThrows(
        IOException.class,
        () ->
            AtomicFolder.write(
                target,
                MARK,
                fresh -> {
                  throw new IOException("disk full");
                }));
    assertEquals("first", Files.readString(target.resolve(MARK)));
    AtomicFolder.recover(temp.resolve("none/folder"));
  }
}
