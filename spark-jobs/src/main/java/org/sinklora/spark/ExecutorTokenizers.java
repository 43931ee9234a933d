package org.sinklora.spark;

import java.io.IOException;
import org.sinklora.data.Tokenizer;

/** The tokenizer of this process, shared by its tasks. */
final class ExecutorTokenizers {
  /** What a tokenizer depends on: not on the configuration that the model is run under. */
  private record Key(String location, String version) {}

  private static Key current;
  private static Tokenizer tokenizer;

  private ExecutorTokenizers() {}

  static synchronized Tokenizer of(ModelSource model) throws IOException {
    Key wanted = new Key(model.location(), model.version());
    if (!wanted.equals(current)) {
      // The old one may still be in use by a task; it holds little memory.
      tokenizer = Tokenizer.load(model.folder(SparkSessions.taskStorage()));
      current = wanted;
    }
    return tokenizer;
  }
}
