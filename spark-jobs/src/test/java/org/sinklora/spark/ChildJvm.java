package org.sinklora.spark;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** Another Java process with this one's class path, started as the launcher script does. */
final class ChildJvm {
  private ChildJvm() {}

  /** The command line; output goes to a file. */
  static List<String> command(String memory, Class<?> main, Object... arguments)
      throws IOException {
    return command(System.getProperty("java.class.path"), memory, main, arguments);
  }

  /** The same without Spark and Hadoop on the class path. */
  static List<String> commandWithoutSpark(String memory, Class<?> main, Object... arguments)
      throws IOException {
    String classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(
                path -> !path.matches(".*[/\\\\]org[/\\\\]apache[/\\\\](spark|hadoop)[/\\\\].*"))
            .collect(Collectors.joining(File.pathSeparator));
    return command(classPath, memory, main, arguments);
  }

  /** The same with another class path. */
  static List<String> command(String classPath, String memory, Class<?> main, Object... arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx" + memory);
    command.addAll(options());
    command.add("-Dslf4j.provider=org.apache.logging.slf4j.SLF4JServiceProvider");
    command.add("-cp");
    command.add(classPath);
    command.add(main.getName());
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    return command;
  }

  static List<String> options() throws IOException {
    try (InputStream in = SinkLora.class.getResourceAsStream("java.options")) {
      return List.of(new String(in.readAllBytes(), StandardCharsets.UTF_8).strip().split("\\s+"));
    }
  }

  static Process start(Path log, List<String> command) throws IOException {
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start();
  }
}
