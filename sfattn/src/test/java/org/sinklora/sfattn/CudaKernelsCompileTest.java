package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every CUDA source compiles as it should for its generations; no GPU is needed to know. */
class CudaKernelsCompileTest {
  private static final Map<String, List<String>> DEFINES =
      Map.of(
          "hopper", List.of("HEAD_DIM 64", "HEAD_DIM 128"),
          "plain", List.of("ELEMENT float", "ELEMENT unsigned short"));

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "hopper_forward.cu, hopper, sm_90a",
    "hopper_backward.cu, hopper, sm_90a",
    "plain_attention.cu, plain, sm_80",
    "plain_attention.cu, plain, sm_90a",
    "plain_attention.cu, plain, sm_100",
  })
  void nvccTakesIt(String resource, String kind, String architecture) throws Exception {
    assumeTrue(isOnPath("nvcc"), "nvcc is not on the PATH");
    String source = text(resource);
    if (source.contains("// follows: hopper.cuh")) {
      source = text("hopper.cuh") + source;
    }
    assertFalse(source.contains("#include"), "NVRTC has no headers");
    for (String define : DEFINES.get(kind)) {
      Path file = Files.writeString(folder.resolve(resource), "#define " + define + "\n" + source);
      List<String> command =
          List.of(
              "nvcc",
              "-cubin",
              "-std=c++17",
              "-gencode=arch=compute_%s,code=%s".formatted(architecture.substring(3), architecture),
              "-o",
              folder.resolve("out.cubin").toString(),
              file.toString());
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, process.waitFor(), command + "\n" + said);
      assertFalse(said.contains("error"), said);
      // What ptxas says of products on tensor cores that it makes wait for each other.
      assertFalse(said.contains("serialized"), said);
    }
  }

  private static String text(String resource) throws IOException {
    try (var in = CudaAttention.class.getResourceAsStream(resource)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static boolean isOnPath(String program) {
    return Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
        .anyMatch(entry -> Files.isExecutable(Path.of(entry, program)));
  }
}
