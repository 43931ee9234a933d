package org.sinklora.spark;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Fills a folder with everything that the command line needs on a machine that has nothing. */
final class BundleFolder {
  /** Modules whose tests run on a GPU. */
  private static final List<String> TESTED_MODULES = List.of("compute", "sfattn", "lora", "h2o");

  /** Folder of the reference values that the tests compare with. */
  private static final String FIXTURES = "fixtures";

  private static final Pattern PLATFORM = Pattern.compile("javacpp-[0-9.]+-([a-z0-9_-]+)\\.jar");

  private final Path folder;
  private final List<Path> classPath;

  /**
   * @param folder exists and is empty
   * @param classPath jars and class folders to choose from
   */
  BundleFolder(Path folder, List<Path> classPath) {
    this.folder = folder;
    this.classPath = classPath;
  }

  /** What this process runs from, and what else the build has put aside. */
  static List<Path> classPath(Path build) throws IOException {
    List<Path> paths = new ArrayList<>();
    for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
      paths.add(Path.of(path));
    }
    paths.addAll(jars(build.resolve("lib")));
    return paths;
  }

  private static List<Path> jars(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      throw new UserException(
          "The build has not made %s, of which a bundle takes its parts; start this as ./sinklora bundle from a clone"
              .formatted(folder));
    }
    try (Stream<Path> all = Files.list(folder)) {
      return all.filter(path -> path.toString().endsWith(".jar")).sorted().toList();
    }
  }

  /** JavaCPP's name of the platform whose native libraries are on the class path. */
  String platform() {
    for (Path path : classPath) {
      Matcher matcher = PLATFORM.matcher(name(path));
      if (matcher.matches()) {
        return matcher.group(1);
      }
    }
    throw new UserException(
        "There are no native libraries of JavaCPP on the class path; build with -Djavacpp.platform=…");
  }

  /** The Java runtime and the libraries. */
  void addProgram() throws IOException {
    JavaRuntime.write(folder.resolve("java"));
    Path lib = Files.createDirectory(folder.resolve("lib"));
    List<BundleLibrary> missing = new ArrayList<>(BundleLibrary.of(platform()));
    List<BundleLibrary> libraries = List.copyOf(missing);
    for (Path path : classPath) {
      // A build from the sources has class folders where an installed one has jars.
      boolean classes = path.endsWith("target/classes");
      String jar = classes ? "sinklora-" + module(path) + "-classes.jar" : name(path);
      for (BundleLibrary library : libraries) {
        if (library.matches(jar)) {
          if (classes) {
            JarCopy.ofFolder(path, lib.resolve(jar));
          } else {
            JarCopy.ofJar(path, library.keeps(), lib.resolve(jar));
          }
          missing.remove(library);
          break;
        }
      }
    }
    if (!missing.isEmpty()) {
      throw new UserException(
          "The class path has no jar that matches "
              + missing.stream().map(library -> library.name().pattern()).toList());
    }
    script("cuda-paths.sh");
    script("sinklora");
  }

  /**
   * The tests that need a GPU, with JUnit.
   *
   * @param sources the clone, built
   * @param build what the build has put aside
   */
  void addTests(Path sources, Path build) throws IOException {
    Path tests = Files.createDirectory(folder.resolve("tests"));
    for (Path jar : jars(build.resolve("tests"))) {
      Files.copy(jar, tests.resolve(name(jar)));
    }
    for (String module : TESTED_MODULES) {
      Path classes = sources.resolve(module).resolve("target/test-classes");
      if (!Files.isDirectory(classes)) {
        throw new UserException(
            "%s has no compiled tests; start this as ./sinklora bundle --tests from a clone"
                .formatted(classes));
      }
      copy(classes, tests.resolve(module), FIXTURES);
    }
    // Where the tests look for them, below the root of a clone.
    Path fixtures = Path.of("lora", "src", "test", "resources", FIXTURES);
    Path clone = Files.createDirectories(folder.resolve("clone").resolve(fixtures).getParent());
    copy(sources.resolve(fixtures), clone.resolve(FIXTURES), "");
    script("gpu-tests");
  }

  /** Copies a folder, without one of its subfolders. */
  private static void copy(Path from, Path to, String without) throws IOException {
    List<Path> all;
    try (Stream<Path> walked = Files.walk(from)) {
      all = walked.sorted().toList();
    }
    for (Path path : all) {
      Path below = from.relativize(path);
      if (without.isEmpty() || !below.startsWith(without)) {
        Files.copy(path, to.resolve(below.toString()));
      }
    }
  }

  private void script(String name) throws IOException {
    Path file = folder.resolve(name);
    try (InputStream in = BundleFolder.class.getResourceAsStream("bundle/" + name)) {
      Files.copy(in, file);
    }
    if (!name.endsWith(".sh") && !file.toFile().setExecutable(true, false)) {
      throw new IOException("Can't make " + file + " executable");
    }
  }

  /** The module of {@code …/MODULE/target/classes}. */
  private static String module(Path classes) {
    return classes.toAbsolutePath().normalize().getParent().getParent().getFileName().toString();
  }

  private static String name(Path path) {
    return String.valueOf(path.getFileName());
  }
}
