package org.sinklora.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * A library of a bundle.
 *
 * @param name pattern of the jar's file name
 * @param keeps which entries of the jar go along
 */
record BundleLibrary(Pattern name, Predicate<String> keeps) {
  /** The parts of CUDA that are called; the jar has some forty. */
  private static final String CUDA_PARTS = "cudart|cublas|cublasLt|nvrtc|cudnn|nccl";

  /** Of the library that draws curves what a page takes in, and its license. */
  private static final Pattern PLOT =
      Pattern.compile(".*/(dist/uPlot\\.(iife\\.min\\.js|min\\.css)|LICENSE)");

  /** Jars that go along whole: no Spark, no Hadoop, no ND4J. */
  private static final List<String> WHOLE =
      List.of(
          "sinklora-[a-z0-9]+(-jobs)?-.*",
          "javacpp-.*",
          "cuda-[0-9.-]+",
          "api-0\\..*",
          "gson-.*",
          "jackson-(annotations|core|databind)-[0-9.]+",
          "jackson-dataformat-yaml-.*",
          "snakeyaml-[0-9.]+",
          "picocli-.*",
          "progressbar-.*",
          "jmustache-.*",
          "jline-terminal-.*",
          "slf4j-(api|simple)-.*");

  /**
   * All of them.
   *
   * @param platform as JavaCPP calls it, for example {@code linux-x86_64}
   */
  static List<BundleLibrary> of(String platform) {
    Pattern cudaPart =
        Pattern.compile(
            "org/bytedeco/cuda/%s/[a-z]*jni(%s)\\.[a-z]+".formatted(platform, CUDA_PARTS));
    // DJL has its own names of the processors.
    String tokenizers = "native/lib/" + platform.replace("arm64", "aarch64") + "/";
    List<BundleLibrary> libraries =
        new ArrayList<>(
            WHOLE.stream().map(name -> new BundleLibrary(jar(name), entry -> true)).toList());
    libraries.add(
        new BundleLibrary(
            jar("cuda-[0-9.-]+-" + Pattern.quote(platform)),
            entry -> cudaPart.matcher(entry).matches()));
    libraries.add(
        new BundleLibrary(
            jar("tokenizers-.*"),
            entry ->
                !entry.startsWith("native/lib/")
                    || entry.startsWith(tokenizers)
                    || entry.endsWith(".properties")));
    libraries.add(new BundleLibrary(jar("uplot-.*"), entry -> PLOT.matcher(entry).matches()));
    return List.copyOf(libraries);
  }

  private static Pattern jar(String name) {
    return Pattern.compile(name + "\\.jar");
  }

  boolean matches(String fileName) {
    return name.matcher(fileName).matches();
  }
}
