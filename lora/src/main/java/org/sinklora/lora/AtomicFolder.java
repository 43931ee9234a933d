package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.UUID;
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
   * @param replace whether a folder that is there already may be replaced, which happens only once
   *     all is written
   * @throws FileAlreadyExistsException if there is one and it may not
   */
  static void write(Path target, boolean replace, Content content) throws IOException {
    Path absolute = target.toAbsolutePath().normalize();
    if (!replace && Files.exists(absolute)) {
      throw new FileAlreadyExistsException(
          absolute.toString(), null, "it exists already; choose another folder or remove it");
    }
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
