package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A remote folder is copied once, whoever asks and however often. */
class HostCacheTest {
  private static final String LOCATION = "hdfs://host/models/llama";

  @TempDir private Path folder;
  private final AtomicInteger opened = new AtomicInteger();

  private static List<StoredFile> files(long modified) {
    return List.of(
        new StoredFile(LOCATION + "/config.json", 2, false, modified),
        new StoredFile(LOCATION + "/model.safetensors", 3, false, modified));
  }

  private InputStream open(StoredFile file) {
    opened.incrementAndGet();
    return new ByteArrayInputStream(new byte[(int) file.bytes()]);
  }

  @Test
  void threadsShareOneCopy() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Future<Path>> copies = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        copies.add(
            threads.submit(() -> new HostCache(folder).fetch(LOCATION, files(1), this::open)));
      }
      Path first = copies.get(0).get();
      for (Future<Path> copy : copies) {
        assertEquals(first, copy.get());
      }
      assertEquals(3, Files.size(first.resolve("model.safetensors")));
      assertEquals(2, opened.get());
    } finally {
      threads.shutdown();
    }
  }

  /** Run twice at a time, as the executors of a host; prints how many files it opened. */
  static final class OtherProcess {
    public static void main(String[] arguments) throws IOException {
      AtomicInteger opened = new AtomicInteger();
      new HostCache(Path.of(arguments[0]))
          .fetch(
              LOCATION,
              files(1),
              file -> {
                opened.incrementAndGet();
                // Long enough for the other to come meanwhile.
                pause();
                return new ByteArrayInputStream(new byte[(int) file.bytes()]);
              });
      System.out.println("opened=" + opened);
    }

    private static void pause() {
      try {
        Thread.sleep(1500);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  @Test
  void processesShareOneCopy() throws Exception {
    List<Process> processes = new ArrayList<>();
    List<Path> logs = List.of(folder.resolve("log1"), folder.resolve("log2"));
    Path cache = folder.resolve("cache");
    for (Path log : logs) {
      processes.add(ChildJvm.start(log, ChildJvm.command("256m", OtherProcess.class, cache)));
    }
    for (Process process : processes) {
      assertEquals(0, process.waitFor(), () -> "see " + logs);
    }
    String said = Files.readString(logs.get(0)) + Files.readString(logs.get(1));
    assertTrue(said.contains("opened=2") && said.contains("opened=0"), said);
  }

  @Test
  void aChangedFolderIsCopiedAnew() throws IOException {
    HostCache cache = new HostCache(folder);
    Path before = cache.fetch(LOCATION, files(1), this::open);
    assertEquals(before, cache.fetch(LOCATION, files(1), this::open));
    assertNotEquals(before, cache.fetch(LOCATION, files(2), this::open));
    assertNotEquals(before, cache.fetch("s3a://other/models/llama", files(1), this::open));
  }

  @Test
  void whatNobodyAskedForInAMonthMakesRoom() throws IOException {
    HostCache cache = new HostCache(folder);
    Path old = cache.fetch(LOCATION, files(1), this::open);
    Path used = cache.fetch(LOCATION, files(2), this::open);
    Path unfinished = Files.createDirectory(folder.resolve("killed.tmp"));
    Files.writeString(unfinished.resolve("model.safetensors"), "half");
    Files.createFile(folder.resolve("killed.lock"));
    FileTime then = FileTime.from(Instant.now().minus(Duration.ofDays(HostCache.DAYS + 1)));
    for (String lock :
        List.of(old.getFileName() + ".lock", used.getFileName() + ".lock", "killed.lock")) {
      Files.setLastModifiedTime(folder.resolve(lock), then);
    }
    cache.fetch(LOCATION, files(2), this::open);
    assertTrue(Files.exists(old), "nothing was copied");
    cache.fetch(LOCATION, files(3), this::open);
    assertFalse(Files.exists(old));
    assertFalse(Files.exists(unfinished));
    assertTrue(Files.exists(used.resolve("model.safetensors")), "somebody has just asked for it");
    assertEquals(6, opened.get());
    assertEquals(old, cache.fetch(LOCATION, files(1), this::open));
    assertEquals(8, opened.get());
  }

  @Test
  void aDamagedCopyIsMadeAnew() throws IOException {
    HostCache cache = new HostCache(folder);
    Path copy = cache.fetch(LOCATION, files(1), this::open);
    Files.delete(copy.resolve("config.json"));
    assertEquals(copy, cache.fetch(LOCATION, files(1), this::open));
    assertEquals(2, Files.size(copy.resolve("config.json")));
    Files.write(copy.resolve("model.safetensors"), new byte[2]);
    cache.fetch(LOCATION, files(1), this::open);
    assertEquals(3, Files.size(copy.resolve("model.safetensors")));
    assertEquals(6, opened.get());
  }

  @Test
  void aCopyThatFailedIsNotThere() throws IOException {
    HostCache cache = new HostCache(folder);
    UserException failed =
        assertThrows(
            UserException.class,
            () -> cache.fetch(LOCATION, files(1), file -> new ByteArrayInputStream(new byte[2])));
    assertTrue(failed.getMessage().contains("gave 2 bytes of 3"), failed.getMessage());
    assertTrue(failed.getMessage().contains("XDG_CACHE_HOME"), failed.getMessage());
    // What it left is no hindrance.
    Path copy = cache.fetch(LOCATION, files(1), this::open);
    assertEquals(3, Files.size(copy.resolve("model.safetensors")));
  }
}
