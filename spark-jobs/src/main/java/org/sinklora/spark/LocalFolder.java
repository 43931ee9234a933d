package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

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
    FileTree.delete(path);
  }
}
