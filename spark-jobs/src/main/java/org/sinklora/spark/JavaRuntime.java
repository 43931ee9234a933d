package org.sinklora.spark;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.spi.ToolProvider;

/** A Java runtime with no more than a bundle needs, made by the {@code jlink} of this JDK. */
final class JavaRuntime {
  /** What our classes and the libraries of a bundle use. */
  private static final List<String> MODULES =
      List.of(
          "java.base",
          "java.logging",
          "java.management",
          "jdk.incubator.vector",
          "jdk.management",
          "jdk.unsupported");

  private JavaRuntime() {}

  /**
   * Writes the runtime.
   *
   * @param folder that does not exist yet
   * @throws UserException if this Java has no {@code jlink}
   */
  static void write(Path folder) {
    ToolProvider jlink =
        ToolProvider.findFirst("jlink")
            .orElseThrow(
                () ->
                    new UserException(
                        "%s has no jlink, which makes the bundle's Java; set JAVA_HOME to a whole JDK"
                            .formatted(System.getProperty("java.home"))));
    StringWriter said = new StringWriter();
    PrintWriter out = new PrintWriter(said, true);
    int code =
        jlink.run(
            out,
            out,
            "--add-modules",
            String.join(",", MODULES),
            "--compress=2",
            "--strip-debug",
            "--no-header-files",
            "--no-man-pages",
            "--output",
            folder.toString());
    if (code != 0) {
      throw new UserException("jlink failed: " + FailureReport.oneLine(said.toString()));
    }
  }
}
