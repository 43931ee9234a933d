package org.sinklora.spark;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.sinklora.data.CacheFolder;

/**
 * Copies of remote folders on this machine, made once and read by all its processes: the base
 * models, which every executor needs. A folder whose files changed is another folder here, and a
 * copy that is damaged is made anew. Whenever something is copied, what nobody has asked for in
 * {@value #DAYS} days makes room for it.
 */
final class HostCache {
  /** Where the bytes of a file come from. */
  @FunctionalInterface
  interface Source {
    InputStream open(StoredFile file) throws IOException;
  }

  static final int DAYS = 30;

  private static final String LOCK = ".lock";

  private final Path folder;

  HostCache() {
    this(CacheFolder.locate().resolve("models"));
  }

  HostCache(Path folder) {
    this.folder = folder;
  }

  /**
   * The copy of a folder; it appears complete or not at all. Whoever comes while it is made waits.
   *
   * @param location of the folder, with the name of its file system
   * @param files those that belong to it
   * @throws UserException if the cache can't be written
   */
  Path fetch(String location, List<StoredFile> files, Source source) throws IOException {
    String name = Storage.name(location) + "-" + fingerprint(location, files);
    Path copy = folder.resolve(name);
    try {
      Files.createDirectories(folder);
      if (!isWhole(copy, files)) {
        removeUnused();
      }
      fetchAlone(copy, files, source);
      return copy;
    } catch (IOException e) {
      if (isWhole(copy, files)) {
        // In a cache that this process may only read.
        return copy;
      }
      throw new UserException(
          "Can't copy %s to %s on this host (%s); make room, or name another folder with XDG_CACHE_HOME or -Dsinklora.cache=FOLDER"
              .formatted(location, copy, FailureReport.describe(e)),
          e);
    }
  }

  /** The lock on a file keeps other processes out, the one on the class the threads of this one. */
  private static void fetchAlone(Path copy, List<StoredFile> files, Source source)
      throws IOException {
    Path lock = copy.resolveSibling(copy.getFileName() + LOCK);
    synchronized (HostCache.class) {
      try (FileChannel channel =
              FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
          var held = channel.lock()) {
        // Even where the copy is there: nobody may be about to remove it.
        if (held.isValid() && !isWhole(copy, files)) {
          remove(copy);
          copy(files, copy, source);
        }
        Files.setLastModifiedTime(lock, FileTime.from(Instant.now()));
      }
    }
  }

  /** It appeared whole, but a disk may have lost something of it, or somebody cleared it up. */
  private static boolean isWhole(Path copy, List<StoredFile> files) {
    return Files.isDirectory(copy)
        && files.stream()
            .allMatch(
                file -> {
                  File copied = copy.resolve(file.name()).toFile();
                  return copied.isFile() && copied.length() == file.bytes();
                });
  }

  private static void copy(List<StoredFile> files, Path copy, Source source) throws IOException {
    Path fresh = unfinished(copy);
    // Of a process that ended while it copied: no other can be at it now.
    FileTree.delete(fresh);
    Files.createDirectory(fresh);
    for (StoredFile file : files) {
      copy(file, fresh.resolve(file.name()), source);
    }
    Files.move(fresh, copy, StandardCopyOption.ATOMIC_MOVE);
  }

  private static Path unfinished(Path copy) {
    return copy.resolveSibling(copy.getFileName() + ".tmp");
  }

  /** A lock's time is when its copy was asked for last; the empty file itself stays. */
  private void removeUnused() throws IOException {
    List<Path> locks;
    try (Stream<Path> all = Files.list(folder)) {
      locks = all.filter(path -> path.toString().endsWith(LOCK)).toList();
    }
    FileTime limit = FileTime.from(Instant.now().minus(Duration.ofDays(DAYS)));
    for (Path lock : locks) {
      String name = lock.getFileName().toString();
      Path copy = folder.resolve(name.substring(0, name.length() - LOCK.length()));
      synchronized (HostCache.class) {
        try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.WRITE);
            var held = channel.tryLock()) {
          if (held != null && Files.getLastModifiedTime(lock).compareTo(limit) < 0) {
            remove(copy);
          }
        } catch (IOException e) {
          // It is another user's, for example, and stays; there may be room beside it.
        }
      }
    }
  }

  /** In one go for whoever looks whether it is there. */
  private static void remove(Path copy) throws IOException {
    Path gone = unfinished(copy);
    FileTree.delete(gone);
    if (Files.isDirectory(copy)) {
      Files.move(copy, gone, StandardCopyOption.ATOMIC_MOVE);
      FileTree.delete(gone);
    }
  }

  private static void copy(StoredFile file, Path target, Source source) throws IOException {
    try (InputStream in = source.open(file)) {
      long bytes = Files.copy(in, target);
      if (bytes != file.bytes()) {
        throw new IOException(
            "%s gave %,d bytes of %,d".formatted(file.path(), bytes, file.bytes()));
      }
    }
  }

  private static String fingerprint(String location, List<StoredFile> files) {
    StringBuilder all = new StringBuilder(location);
    for (StoredFile file : files) {
      all.append('\n').append(file.name()).append(' ').append(file.bytes());
      all.append(' ').append(file.modified());
    }
    CRC32C sum = new CRC32C();
    sum.update(all.toString().getBytes(StandardCharsets.UTF_8));
    return "%08x%08x".formatted(location.hashCode(), sum.getValue());
  }
}
