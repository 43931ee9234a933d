package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A manifest fits what it was written for and nothing else. */
class CheckpointManifestTest {
  @TempDir private Path folder;

  @BeforeEach
  void write() throws IOException {
    Files.writeString(folder.resolve("a"), "123456789");
    Files.writeString(folder.resolve("b"), "");
    CheckpointManifest.write(folder, new ComputedOn("cuda", "bfloat16", 2, 0, 4));
  }

  private void isTorn(String said) throws IOException {
    String problem = CheckpointManifest.problem(folder).orElse("none");
    assertTrue(problem.contains(said), problem);
  }

  @Test
  void theChecksumIsCrc32c() throws IOException {
    assertEquals(Optional.empty(), CheckpointManifest.problem(folder));
    String manifest = Files.readString(folder.resolve(CheckpointManifest.FILE));
    // The check value of the CRC catalogue.
    assertTrue(manifest.contains("e3069283"), manifest);
    assertTrue(!manifest.contains(CheckpointManifest.FILE), manifest);
  }

  @Test
  void itSaysWhatComputedTheCheckpoint() throws IOException {
    assertEquals(
        "cuda, bfloat16 (--partitions 2 --sequences-per-pass 4)",
        CheckpointManifest.computedOn(folder).orElseThrow().toString());
    assertEquals(Optional.empty(), CheckpointManifest.problem(folder));
  }

  @Test
  void aTruncatedFile() throws IOException {
    Files.writeString(folder.resolve("a"), "12345678");
    isTorn("a has 8 bytes, not 9");
  }

  @Test
  void aChangedFile() throws IOException {
    Files.writeString(folder.resolve("a"), "123456780");
    isTorn("a does not have its checksum");
  }

  @Test
  void aMissingFile() throws IOException {
    Files.delete(folder.resolve("b"));
    isTorn("b is missing");
  }

  @Test
  void noManifestOrADamagedOne() throws IOException {
    Path manifest = folder.resolve(CheckpointManifest.FILE);
    String whole = Files.readString(manifest);
    Files.writeString(manifest, whole.substring(0, whole.length() / 2));
    isTorn("is damaged");
    Files.writeString(manifest, "");
    isTorn("names no file");
    Files.delete(manifest);
    isTorn("has no " + CheckpointManifest.FILE);
  }
}
