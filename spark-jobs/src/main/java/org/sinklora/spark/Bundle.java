package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes a folder that runs on a GPU host without Java and without a network. */
@Command(
    name = "bundle",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Makes a self-contained folder for a GPU host: a Java runtime, the libraries, the kernels,"
            + " the bundled model and a 'sinklora' to start. It holds no Spark and nothing that"
            + " computes on the CPU.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora bundle --output sinklora-gpu --tar sinklora-gpu.tar.gz",
      "  sinklora bundle --output /tmp/bundle --tests && /tmp/bundle/gpu-tests",
      "  sinklora-gpu/sinklora doctor"
    })
public final class Bundle implements Callable<Integer> {
  /** Says that a folder is a bundle. */
  static final String MARK = "bundle.json";

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      required = true,
      description = "Receives the bundle.")
  private Path output;

  @Option(names = "--tar", paramLabel = "FILE", description = "Also write it as a .tar.gz.")
  private Path tar;

  @Option(names = "--overwrite", description = "Replace the output folder.")
  private boolean overwrite;

  @Option(
      names = "--tests",
      description = "Take the tests that need a GPU along, and 'gpu-tests' to run them.")
  private boolean tests;

  @Option(
      names = "--clone",
      paramLabel = "FOLDER",
      hidden = true,
      defaultValue = "${sys:sinklora.root}",
      description = "The clone that this was built from. Default: the launcher's.")
  private Path sources;

  @Mixin private CommonOptions common;

  Bundle() {}

  @Override
  public Integer call() throws Exception {
    checkOutput();
    if (sources == null || sources.toString().isEmpty()) {
      throw new UserException(
          "A bundle is made from a clone of the repository: start ./sinklora bundle there");
    }
    Path target = output.toAbsolutePath().normalize();
    Files.createDirectories(target.getParent());
    Path fresh = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
    Files.createDirectory(fresh);
    ObjectNode result;
    try {
      result = fill(fresh);
      FileTree.delete(target);
      Files.move(fresh, target);
    } finally {
      FileTree.delete(fresh);
    }
    result.put("output", output.toString());
    result.put("bytes", FileTree.bytes(target));
    if (tar != null) {
      pack(target);
      result.put("tar", tar.toString());
      result.put("tar_bytes", Files.size(tar));
    }
    common.writeJson(result);
    report(result);
    return 0;
  }

  private ObjectNode fill(Path folder) throws IOException {
    Path build = sources.resolve("spark-jobs/target/bundle");
    BundleFolder bundle = new BundleFolder(folder, BundleFolder.classPath(build));
    bundle.addProgram();
    if (tests) {
      bundle.addTests(sources, build);
    }
    ObjectNode mark = new JsonMapper().createObjectNode();
    mark.put("platform", bundle.platform());
    mark.put("java", Runtime.version().toString());
    mark.put("tests", tests);
    Files.writeString(folder.resolve(MARK), mark.toPrettyString() + "\n");
    return mark;
  }

  private void checkOutput() throws IOException {
    if (!Files.exists(output)) {
      return;
    }
    try (Stream<Path> files = Files.list(output)) {
      if (files.findAny().isEmpty()) {
        return;
      }
    }
    if (!overwrite) {
      throw new UserException(
          "The output folder %s exists and is not empty; choose another, or pass --overwrite to replace it"
              .formatted(output));
    }
    if (!Files.exists(output.resolve(MARK))) {
      throw new UserException(
          "%s is not empty and has no %s, so it was not written by this command: it is not overwritten; remove it yourself or choose another"
              .formatted(output, MARK));
    }
  }

  private void pack(Path folder) throws IOException, InterruptedException {
    List<String> command =
        List.of(
            "tar",
            "-czf",
            tar.toAbsolutePath().toString(),
            "-C",
            folder.getParent().toString(),
            folder.getFileName().toString());
    Process process = new ProcessBuilder(command).inheritIO().start();
    int code = process.waitFor();
    if (code != 0) {
      throw new UserException("'%s' ended with %d".formatted(String.join(" ", command), code));
    }
  }

  private void report(ObjectNode result) {
    spec.commandLine()
        .getOut()
        .printf(
            "%s: %.1f MB for %s%s%n",
            output,
            result.path("bytes").asLong() / 1e6,
            result.path("platform").asText(),
            tar == null
                ? ""
                : "; %s: %.1f MB".formatted(tar, result.path("tar_bytes").asLong() / 1e6));
  }
}
