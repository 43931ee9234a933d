package org.sinklora.compute.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelCacheTest {
  private static final String NAME = "00ff.cubin";

  @TempDir Path folder;

  @Test
  void theNameIsAHashOfAllThatGoesIn() {
    List<String> options = List.of("--gpu-architecture=sm_90a", "-DA=1");
    String name = KernelCache.fileName("source", options, "nvrtc 13.0");
    assertTrue(name.matches("[0-9a-f]{64}\\.cubin"), name);
    assertEquals(name, KernelCache.fileName("source", List.copyOf(options), "nvrtc 13.0"));
    assertNotEquals(name, KernelCache.fileName("source ", options, "nvrtc 13.0"));
    assertNotEquals(name, KernelCache.fileName("source", options, "nvrtc 13.1"));
    assertNotEquals(
        name,
        KernelCache.fileName("source", List.of("--gpu-architecture=sm_80", "-DA=1"), "nvrtc 13.0"));
    assertNotEquals(
        KernelCache.fileName("", List.of("ab", "c"), ""),
        KernelCache.fileName("", List.of("a", "bc"), ""));
  }

  @Test
  void whatWasWrittenIsReadAndNothingElseIsLeft() throws IOException {
    KernelCache cache = new KernelCache(folder.resolve("new/folder"));
    assertEquals(0, cache.read(NAME).length);
    cache.write(NAME, new byte[] {1, 2, 3});
    cache.write(NAME, new byte[] {4, 5});
    assertArrayEquals(new byte[] {4, 5}, cache.read(NAME));
    try (Stream<Path> files = Files.list(folder.resolve("new/folder"))) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void damageIsNoticed() throws IOException {
    KernelCache cache = new KernelCache(folder);
    cache.write(NAME, new byte[] {1, 2, 3});
    byte[] content = Files.readAllBytes(folder.resolve(NAME));
    content[content.length - 1]++;
    Files.write(folder.resolve(NAME), content);
    assertEquals(0, cache.read(NAME).length);
    Files.write(folder.resolve(NAME), new byte[7]);
    assertEquals(0, cache.read(NAME).length);
    Files.write(folder.resolve(NAME), new byte[0]);
    assertEquals(0, cache.read(NAME).length);
  }

  @Test
  void aFolderThatCannotBeWrittenToIsNoError() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "in the way");
    KernelCache cache = new KernelCache(file.resolve("sub"));
    cache.write(NAME, new byte[] {1});
    assertEquals(0, cache.read(NAME).length);
  }

  @Test
  void theFolderCanBeChosen() {
    String before = System.getProperty(KernelCache.FOLDER_PROPERTY);
    try {
      System.setProperty(KernelCache.FOLDER_PROPERTY, folder.toString());
      assertEquals(folder, KernelCache.configuredFolder());
      System.clearProperty(KernelCache.FOLDER_PROPERTY);
      assertTrue(KernelCache.configuredFolder().endsWith(".cache/sinklora/kernels"));
    } finally {
      if (before != null) {
        System.setProperty(KernelCache.FOLDER_PROPERTY, before);
      }
    }
  }
}
