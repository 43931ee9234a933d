package org.sinklora.data;

import java.nio.file.Path;

/** The sources that the build copies for tests and that no training text came from. */
final class HeldOutCorpus {
  static final Path JAR = Path.of("target", "corpus", "lucene-core-9.12.0-sources.jar");

  private HeldOutCorpus() {}
}
