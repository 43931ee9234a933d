package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/** The jar that {@code spark-submit} takes, which the build makes last. */
final class ApplicationJar {
  static final Path FILE = Path.of(System.getProperty("sinklora.application.jar"));

  private ApplicationJar() {}

  static JarFile open() throws IOException {
    assertTrue(
        Files.exists(FILE),
        () -> FILE + " is not there; build it with 'mvn -pl spark-jobs -am package'");
    return new JarFile(FILE.toFile());
  }

  /** The tests' class path without what the jar holds: the part of a Spark distribution. */
  static String providedClassPath() throws IOException {
    List<String> provided = new ArrayList<>();
    try (JarFile application = open()) {
      for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
        if (path.endsWith(".jar") && !isIn(application, path)) {
          provided.add(path);
        }
      }
    }
    return String.join(File.pathSeparator, provided);
  }

  /** Whether a jar's first class or library is in the application jar; so are jars without. */
  private static boolean isIn(JarFile application, String jar) throws IOException {
    try (JarFile part = new JarFile(jar)) {
      return part.stream()
          .map(JarEntry::getName)
          .filter(name -> !name.startsWith("META-INF/") && isContent(name))
          .findFirst()
          .map(name -> application.getEntry(name) != null)
          .orElse(true);
    }
  }

  private static boolean isContent(String name) {
    return name.endsWith(".class") && !name.equals("module-info.class") || name.contains(".so");
  }
}
