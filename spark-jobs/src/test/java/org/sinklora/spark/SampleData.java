package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A small data set of real text: the sources of this module. */
final class SampleData {
  static final Path SOURCES = Path.of("src", "main", "java");
  private static Path prepared;
  private static Path tokens;

  private SampleData() {}

  /** The data set in Parquet, prepared once in a test run. */
  static synchronized Path folder() throws IOException {
    if (prepared == null) {
      prepared = prepare();
    }
    return prepared;
  }

  /** The same documents as token files. */
  static synchronized Path tokenFiles() throws IOException {
    if (tokens == null) {
      tokens = prepare("--token-files");
    }
    return tokens;
  }

  private static Path prepare(Object... flags) throws IOException {
    Path folder =
        Files.createTempDirectory(Path.of("target"), "sample-").resolve("data").toAbsolutePath();
    Object[] command = {
      "prepare",
      "--input",
      SOURCES,
      "--extensions",
      ".java",
      "--held-out",
      "0.3",
      "--output",
      folder
    };
    Cli.succeed(with(command, flags));
    return folder;
  }

  /**
   * A training on it that takes seconds.
   *
   * @param more options to add or to change, each with its value
   */
  static Object[] train(Path output, Object... more) throws IOException {
    Map<Object, Object> options = new LinkedHashMap<>();
    options.put("--data", folder());
    options.put("--output", output);
    options.put("--context", 256);
    options.put("--group-size", 64);
    options.put("--batch-size", 4);
    options.put("--steps", 4);
    options.put("--warmup-steps", 2);
    options.put("--learning-rate", 3e-3);
    options.put("--modules-to-save", "embed_tokens,norm,input_layernorm,post_attention_layernorm");
    for (int i = 0; i < more.length; i += 2) {
      options.put(more[i], more[i + 1]);
    }
    List<Object> words = new ArrayList<>();
    words.add("train");
    options.forEach(
        (name, value) -> {
          words.add(name);
          words.add(value);
        });
    return words.toArray();
  }

  /**
   * One of a second or two on token files in one process: three short steps, a checkpoint behind
   * each.
   */
  static Object[] trainBriefly(Path output, Object... more) throws IOException {
    Object[] brief = {
      "--master",
      "none",
      "--data",
      tokenFiles(),
      "--context",
      64,
      "--group-size",
      16,
      "--batch-size",
      1,
      "--steps",
      3,
      "--checkpoint-every",
      1
    };
    return train(output, with(brief, more));
  }

  /** Names of the files in a folder, in order. */
  static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  /** The same with flags behind it. */
  static Object[] with(Object[] command, Object... flags) {
    List<Object> words = new ArrayList<>(List.of(command));
    words.addAll(List.of(flags));
    return words.toArray();
  }
}
