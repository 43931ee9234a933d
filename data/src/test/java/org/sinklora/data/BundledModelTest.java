package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BundledModelTest {
  private static final Set<String> FILES =
      Set.of(
          "config.json",
          "generation_config.json",
          "model.safetensors",
          "tokenizer.json",
          "tokenizer_config.json");

  @TempDir Path temp;

  @AfterEach
  void clearProperty() {
    System.clearProperty(CacheFolder.PROPERTY);
  }

  @Test
  void plainResourcesAreUsedWhereTheyLie() throws IOException {
    Path folder = BundledModel.folder();

    assertTrue(folder.endsWith(Path.of("org", "sinklora", "data", BundledModel.NAME)));
    assertEquals(FILES, names(folder));
  }

  @Test
  void theManifestHoldsEveryFileWithItsHash() throws Exception {
    try (InputStream in = BundledModel.class.getResourceAsStream("javalm-5m.files")) {
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
        String[] fields = line.split(" ", 3);
        byte[] content = Files.readAllBytes(BundledModel.folder().resolve(fields[2]));
        assertEquals(
            fields[0], HexFormat.of().formatHex(Sha256.create().digest(content)), fields[2]);
        assertEquals(Long.parseLong(fields[1]), content.length, fields[2]);
      }
    }
    assertEquals(FILES, Set.copyOf(manifest().names()));
  }

  @Test
  void aJarIsExtractedOnceByAnyNumberTogether() throws Exception {
    Path cache = temp.resolve("cache");
    System.setProperty(CacheFolder.PROPERTY, cache.toString());
    URL jar = moduleAsJar().toUri().toURL();

    int together = 6;
    ExecutorService threads = Executors.newFixedThreadPool(together);
    List<Future<Path>> folders = new ArrayList<>();
    for (int i = 0; i < together; i++) {
      // A class loader each, so that they share no lock of ours, as processes would not.
      folders.add(threads.submit(() -> folderFromJar(jar)));
    }
    Set<Path> distinct = new TreeSet<>();
    for (Future<Path> folder : folders) {
      distinct.add(folder.get());
    }
    threads.shutdown();

    assertEquals(1, distinct.size());
    Path folder = distinct.iterator().next();
    assertEquals(cache, folder.getParent());
    assertTrue(folder.getFileName().toString().matches("javalm-5m-[0-9a-f]{16}"));
    assertEquals(FILES, names(folder), "no temporary file is left");
    for (String file : FILES) {
      assertArrayEquals(
          Files.readAllBytes(BundledModel.folder().resolve(file)),
          Files.readAllBytes(folder.resolve(file)),
          file);
    }
    assertEquals(folder, folderFromJar(jar), "the second time it is found");
  }

  @Test
  void aFileCutShortIsReplacedAndTheOthersAreKept() throws IOException {
    Path folder = manifest().extract(temp, BundledModelTest::resource);
    Path config = folder.resolve("config.json");
    Path weights = folder.resolve("model.safetensors");
    Files.writeString(config, "{");
    Object weightsKey = Files.readAttributes(weights, "unix:ino").get("ino");

    assertEquals(folder, manifest().extract(temp, BundledModelTest::resource));

    assertEquals(
        Files.readString(BundledModel.folder().resolve("config.json")), Files.readString(config));
    assertEquals(weightsKey, Files.readAttributes(weights, "unix:ino").get("ino"));
  }

  @Test
  void aDamagedResourceIsRefusedAndLeavesNothing() throws IOException {
    BundledFiles files = manifest();

    IOException error =
        assertThrows(
            IOException.class,
            () -> files.extract(temp, name -> new ByteArrayInputStream(new byte[] {1, 2})));

    assertTrue(error.getMessage().contains("config.json"), error.getMessage());
    assertTrue(error.getMessage().contains("SHA-256"), error.getMessage());
    try (Stream<Path> paths = Files.walk(temp)) {
      assertEquals(0, paths.filter(Files::isRegularFile).count());
    }
  }

  @Test
  void anUnusableCacheIsNamedWithTheWayOut() throws IOException {
    Path notAFolder = Files.writeString(temp.resolve("file"), "");

    IOException error =
        assertThrows(
            IOException.class,
            () -> manifest().extract(notAFolder, name -> InputStream.nullInputStream()));

    assertTrue(error.getMessage().contains(notAFolder.toString()), error.getMessage());
    assertTrue(error.getMessage().contains("-Dsinklora.cache="), error.getMessage());
  }

  @Test
  void aMissingPlainFileIsNamed() {
    IOException error = assertThrows(IOException.class, () -> manifest().verifySizes(temp));

    assertTrue(error.getMessage().contains("716 bytes but does not exist"), error.getMessage());
  }

  @Test
  void theCacheFollowsPropertyThenXdgThenHome() {
    assertEquals(
        Path.of("/chosen"),
        CacheFolder.locate(name -> name.equals("sinklora.cache") ? "/chosen" : "/h", n -> "/xdg"));
    assertEquals(
        Path.of("/xdg/sinklora"),
        CacheFolder.locate(name -> name.equals("user.home") ? "/h" : null, name -> "/xdg"));
    assertEquals(
        Path.of("/h/.cache/sinklora"),
        CacheFolder.locate(name -> name.equals("user.home") ? "/h" : null, name -> "relative"));
    assertEquals(
        Path.of("/h/.cache/sinklora"),
        CacheFolder.locate(name -> name.equals("user.home") ? "/h" : "", name -> null));
  }

  private static BundledFiles manifest() throws IOException {
    try (InputStream in = BundledModel.class.getResourceAsStream("javalm-5m.files")) {
      return BundledFiles.read(BundledModel.NAME, in);
    }
  }

  private static InputStream resource(String name) {
    return BundledModel.class.getResourceAsStream(BundledModel.NAME + "/" + name);
  }

  private static Path folderFromJar(URL jar) throws Exception {
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {jar}, ClassLoader.getPlatformClassLoader())) {
      Class<?> model = loader.loadClass(BundledModel.class.getName());
      return (Path) model.getMethod("folder").invoke(null);
    }
  }

  private Path moduleAsJar() throws IOException {
    Path classes = Path.of("target", "classes");
    Path jar = temp.resolve("sinklora-data.jar");
    try (OutputStream file = Files.newOutputStream(jar);
        ZipOutputStream zip = new ZipOutputStream(file);
        Stream<Path> paths = Files.walk(classes)) {
      for (Path path : paths.filter(Files::isRegularFile).toList()) {
        zip.putNextEntry(new ZipEntry(classes.relativize(path).toString().replace('\\', '/')));
        Files.copy(path, zip);
        zip.closeEntry();
      }
    }
    return jar;
  }

  private static Set<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
    }
  }
}
