package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OfflineTest {
  @TempDir Path cache;

  @Test
  void aFreshJvmWithAnEmptyCacheTouchesNoNetwork() throws Exception {
    // The tests' own JVM is started with the flags, so only one without them shows that we set
    // them. An empty cache makes DJL unpack its native library as on the very first run.
    String output = probe("-DENGINE_CACHE_DIR=" + cache, "-DDJL_CACHE_DIR=" + cache);

    assertTrue(output.contains("TOKENS "), output);
    assertTrue(output.contains("OFFLINE true"), output);
    assertTrue(output.contains("OPT_OUT true"), output);
    assertFalse(output.contains("CONNECT"), output);
    try (Stream<Path> files = Files.walk(cache)) {
      assertTrue(
          files.anyMatch(file -> file.getFileName().toString().contains("tokenizers")),
          "the library was unpacked into the empty cache");
    }
  }

  @Test
  void aMissingNativeLibraryIsNotBlamedOnTheTokenizer() throws Exception {
    String output = probe("-DRUST_LIBRARY_PATH=" + cache);

    assertTrue(output.contains("The native tokenizers library can't be loaded on"), output);
    assertTrue(output.contains("ENGINE_CACHE_DIR"), output);
  }

  private static String probe(String... options) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx512m");
    command.addAll(List.of(options));
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("java.class.path"),
            OfflineProbe.class.getName(),
            BundledModel.folder().toString()));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return output;
  }
}
