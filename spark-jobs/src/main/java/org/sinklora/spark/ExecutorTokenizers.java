package org.sinklora.spark;

import java.io.IOException;
import org.sinklora.data.Tokenizer;

/** The tokenizer of this process, shared by its tasks. */
final class ExecutorTokenizers {
  private static String location;
  private static Tokenizer tokenizer;

  private ExecutorTokenizers() {}

  static synchronized Tokenizer of(ModelSource model) throws IOException {
    if (!model.location().equals(location)) {
      // The old one may still be in use by a task; it holds little memory.
      tokenizer = Tokenizer.load(model.folder(SparkSessions.taskStorage()));
      location = model.location();
    }
    return tokenizer;
  }
}
