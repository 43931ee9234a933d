package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every CUDA source compiles for every generation we name; no GPU is needed to know. */
class CudaKernelsCompileTest {
  private static final List<String> ARCHITECTURES = List.of("sm_80", "sm_90a", "sm_100");

  /** Heads of the fixtures, of common models, and the widest. */
  private static final List<String> HEADS =
      List.of(
          "-DDIM=16 -DSHARING=2 -DTOGETHER=2",
          "-DDIM=128 -DSHARING=1 -DTOGETHER=1",
          "-DDIM=96 -DSHARING=12 -DTOGETHER=6",
          "-DDIM=256 -DSHARING=8 -DTOGETHER=8");

  @TempDir Path folder;

  static Stream<Path> sources() throws IOException, URISyntaxException {
    Path anyOfThem =
        Path.of(
            Objects.requireNonNull(CudaKernelsCompileTest.class.getResource("decode_attention.cu"))
                .toURI());
    try (Stream<Path> files = Files.list(anyOfThem.getParent())) {
      List<Path> sources = files.filter(file -> file.toString().endsWith(".cu")).sorted().toList();
      assertTrue(sources.size() >= 5, "CUDA sources are missing: " + sources);
      return sources.stream();
    }
  }

  @ParameterizedTest
  @MethodSource("sources")
  void nvccTakesIt(Path source) throws IOException {
    assumeTrue(isOnPath("nvcc"), "nvcc is not on the PATH");
    String text = Files.readString(source);
    assertFalse(text.contains("#include"), "NVRTC has no headers");
    List<List<String>> runs = new ArrayList<>();
    for (String architecture : ARCHITECTURES) {
      // All heads once: compilers are slow, and generations differ little in this.
      boolean all = text.contains("#ifndef DIM") && architecture.equals("sm_90a");
      for (String heads : all ? HEADS : HEADS.subList(0, 1)) {
        List<String> command = new ArrayList<>();
        command.addAll(List.of("nvcc", "-cubin", "-std=c++17", "-Werror", "all-warnings"));
        command.add("-arch=" + architecture);
        command.addAll(List.of(heads.split(" ")));
        Path binary = folder.resolve(runs.size() + ".cubin");
        command.addAll(List.of("-o", binary.toString(), source.toString()));
        runs.add(command);
      }
    }
    // One on each core.
    runs.parallelStream().forEach(CudaKernelsCompileTest::compile);
  }

  private static void compile(List<String> command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, process.waitFor(), command + "\n" + said);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  private static boolean isOnPath(String program) {
    String path = System.getenv().getOrDefault("PATH", "");
    return Arrays.stream(path.split(File.pathSeparator))
        .anyMatch(entry -> Files.isExecutable(Path.of(entry, program)));
  }
}
