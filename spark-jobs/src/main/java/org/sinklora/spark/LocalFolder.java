package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A temporary folder on this machine that ends with the block it is opened in. */
final class LocalFolder implements AutoCloseable {
  private final Path path;

  LocalFolder() throws IOException {
    path = Files.createTempDirectory("sinklora-");
  }

  Path path() {
    return path;
  }

  @Override
  public void close() throws IOException {
    List<Path> entries;
    try (Stream<Path> all = Files.walk(path)) {
      entries = all.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path entry : entries) {
      Files.delete(entry);
    }
  }
}
