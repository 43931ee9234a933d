package org.sinklora.compute.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.javacpp.Loader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every CUDA source compiles for every generation we name; no GPU is needed to know. */
class CudaKernelsCompileTest {
  private static final List<List<String>> DEFINES =
      List.of(
          List.of("ELEMENT=bf16", "WEIGHT=bf16", "SOURCE=float", "TARGET=bf16"),
          List.of("ELEMENT=float", "WEIGHT=float", "VEC=1", "PACKS=4"));

  @TempDir Path folder;

  static Stream<Path> sources() throws IOException, URISyntaxException {
    List<Path> sources = new ArrayList<>();
    for (String resource : List.of("norms.cu", "arguments.cu")) {
      URI found = CudaKernelsCompileTest.class.getResource(resource).toURI();
      assumeTrue(found.getScheme().equals("file"), "the sources are in a jar");
      Path folder = Path.of(found).getParent();
      try (Stream<Path> files = Files.list(folder)) {
        files.filter(file -> file.toString().endsWith(".cu")).forEach(sources::add);
      }
    }
    assertTrue(sources.size() > 8, "CUDA sources are missing: " + sources);
    return sources.stream();
  }

  private static List<String> architectures(Path source) throws IOException {
    return Files.readString(source).contains("// requires: sm_90a")
        ? List.of("sm_90a")
        : List.of("sm_80", "sm_90a", "sm_100");
  }

  /** The source behind those that it follows. */
  private static String whole(Path source) throws IOException {
    return CudaKernels.withPrefixes(
        Files.readString(source),
        name -> {
          try {
            return Files.readString(source.resolveSibling(name));
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  @ParameterizedTest
  @MethodSource("sources")
  void nvccTakesIt(Path source) throws IOException, InterruptedException {
    assumeTrue(isOnPath("nvcc"), "nvcc is not on the PATH");
    String text = whole(source);
    assertFalse(text.contains("#include"), "NVRTC has no headers");
    Path file = Files.writeString(folder.resolve(source.getFileName()), text);
    for (String architecture : architectures(source)) {
      // The other types once: compilers are slow, and generations differ little in this.
      for (List<String> defines : DEFINES.subList(0, architecture.equals("sm_80") ? 2 : 1)) {
        List<String> command = new ArrayList<>();
        command.addAll(List.of("nvcc", "-cubin", "-std=c++17", "-Werror", "all-warnings"));
        command.add("-arch=" + architecture);
        defines.forEach(define -> command.add("-D" + define));
        command.addAll(List.of("-o", folder.resolve("out.cubin").toString(), file.toString()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), command + "\n" + said);
      }
    }
  }

  private static boolean isOnPath(String program) {
    String path = System.getenv().getOrDefault("PATH", "");
    return Arrays.stream(path.split(File.pathSeparator))
        .anyMatch(entry -> Files.isExecutable(Path.of(entry, program)));
  }

  @ParameterizedTest
  @MethodSource("sources")
  void theRuntimeCompilerTakesIt(Path source) throws IOException {
    assumeRuntimeCompiler();
    for (String architecture : architectures(source)) {
      for (List<String> defines : DEFINES) {
        byte[] binary =
            KernelCompiler.compile(
                CudaKernels.withDefines(whole(source), defines),
                source.getFileName().toString(),
                CudaKernels.options(architecture));
        assertTrue(new String(binary, 1, 3, StandardCharsets.US_ASCII).equals("ELF"));
      }
    }
  }

  @Test
  void macrosOfOneLetterAreTheSourcesOwn() {
    assumeRuntimeCompiler();
    String source = "extern \"C\" __global__ void k(T* x) { *x = D; }";
    String text = CudaKernels.withDefines(source, List.of("T=float", "D=128"));
    assertTrue(KernelCompiler.compile(text, "k.cu", CudaKernels.options("sm_80")).length > 0);
  }

  @Test
  void definesComeFirstAndLinesCountFromTheSource() {
    assertEquals(
        "#define T float\n#define FAST 1\n#define N\n#line 1\nint x;",
        CudaKernels.withDefines("int x;", List.of("T=float", "FAST", "N=")).replace(" \n", "\n"));
  }

  @Test
  void theRuntimeCompilerSaysWhatIsWrong() {
    assumeRuntimeCompiler();
    CudaException e =
        assertThrows(
            CudaException.class,
            () -> KernelCompiler.compile("int x = y;", "wrong.cu", List.of("--std=c++17")));
    assertTrue(e.getMessage().contains("wrong.cu") && e.getMessage().contains("\"y\""));
  }

  private static void assumeRuntimeCompiler() {
    boolean loads = true;
    try {
      Loader.load(nvrtc.class);
    } catch (LinkageError e) {
      loads = false;
    }
    assumeTrue(loads, "NVRTC does not load");
  }
}
