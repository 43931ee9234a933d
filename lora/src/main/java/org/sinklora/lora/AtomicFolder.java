package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A folder that appears complete or not at all. */
final class AtomicFolder {

  /** Writes the files of a folder. */
  @FunctionalInterface
  interface Content {
    void writeTo(Path folder) throws IOException;
  }

  private AtomicFolder() {}

  /**
   * Writes a folder beside {@code target} and moves it there.
   *
   * @param mark a file by which an existing folder is known as one that may be replaced, which
   *     happens only once all is written; null if none may. An empty folder always may
   * @throws FileAlreadyExistsException if something is there that may not be replaced
   */
  static void write(Path target, String mark, Content content) throws IOException {
    Path absolute = target.toAbsolutePath().normalize();
    recover(absolute);
    checkReplaceable(absolute, mark);
    Files.createDirectories(absolute.getParent());
    String unique = "." + absolute.getFileName() + "." + UUID.randomUUID();
    Path fresh = absolute.resolveSibling(unique + ".tmp");
    Path old = absolute.resolveSibling(unique + ".old");
    try {
      Files.createDirectory(fresh);
      content.writeTo(fresh);
      if (Files.exists(absolute)) {
        Files.move(absolute, old);
      }
      Files.move(fresh, absolute);
    } finally {
      // A move that failed half-way must not cost what was there before.
      if (Files.exists(old) && !Files.exists(absolute)) {
        Files.move(old, absolute);
      }
      delete(fresh);
      delete(old);
    }
  }

  /**
   * Puts back the folder that was there if a process ended while it was replacing it: between the
   * two moves there is nothing at {@code target}, and the old folder is beside it.
   */
  static void recover(Path target) throws IOException {
    Path absolute = target.toAbsolutePath().normalize();
    if (Files.exists(absolute) || !Files.isDirectory(absolute.getParent())) {
      return;
    }
    Pattern replaced =
        Pattern.compile(Pattern.quote("." + absolute.getFileName()) + "\\.[0-9a-f-]{36}\\.old");
    List<Path> old;
    try (Stream<Path> beside = Files.list(absolute.getParent())) {
      old =
          beside
              .filter(path -> replaced.matcher(path.getFileName().toString()).matches())
              .sorted()
              .toList();
    }
    if (!old.isEmpty()) {
      Files.move(old.get(old.size() - 1), absolute);
    }
  }

  private static void checkReplaceable(Path target, String mark) throws IOException {
    if (!Files.exists(target) || isEmptyFolder(target)) {
      return;
    }
    if (mark == null) {
      throw new FileAlreadyExistsException(
          target.toString(), null, "it exists already; choose another folder or remove it");
    }
    // Replacing deletes all that is there: nobody loses a folder of other things to a slip.
    if (!Files.isRegularFile(target.resolve(mark))) {
      throw new FileAlreadyExistsException(
          target.toString(),
          null,
          "it exists and has no %s, so it is not replaced; choose another folder or remove it"
              .formatted(mark));
    }
  }

  private static boolean isEmptyFolder(Path target) throws IOException {
    if (!Files.isDirectory(target)) {
      return false;
    }
    try (Stream<Path> entries = Files.list(target)) {
      return entries.findAny().isEmpty();
    }
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> entries = Files.walk(folder)) {
      for (Path entry : entries.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(entry);
      }
    }
  }
}
