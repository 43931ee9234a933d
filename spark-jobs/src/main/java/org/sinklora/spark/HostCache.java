package org.sinklora.spark;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.zip.CRC32C;
import org.sinklora.data.CacheFolder;

/**
 * Copies of remote folders on this machine, made once and read by all its processes: the base
 * models, which every executor needs. A folder whose files changed is another folder here.
 */
final class HostCache {
  /** Where the bytes of a file come from. */
  @FunctionalInterface
  interface Source {
    InputStream open(StoredFile file) throws IOException;
  }

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
    if (Files.isDirectory(copy)) {
      return copy;
    }
    try {
      Files.createDirectories(folder);
      fetchAlone(copy, files, source);
      return copy;
    } catch (IOException e) {
      throw new UserException(
          "Can't copy %s to %s on this host (%s); make room, or name another folder with XDG_CACHE_HOME or -Dsinklora.cache=FOLDER"
              .formatted(location, copy, FailureReport.describe(e)),
          e);
    }
  }

  /** The lock on a file keeps other processes out, the one on the class the threads of this one. */
  private static void fetchAlone(Path copy, List<StoredFile> files, Source source)
      throws IOException {
    Path lock = copy.resolveSibling(copy.getFileName() + ".lock");
    synchronized (HostCache.class) {
      try (FileChannel channel =
              FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
          var held = channel.lock()) {
        if (!held.isValid() || Files.isDirectory(copy)) {
          return;
        }
        Path fresh = copy.resolveSibling(copy.getFileName() + ".tmp");
        // Of a process that ended while it copied: no other can be at it now.
        FileTree.delete(fresh);
        Files.createDirectory(fresh);
        for (StoredFile file : files) {
          copy(file, fresh.resolve(file.name()), source);
        }
        Files.move(fresh, copy, StandardCopyOption.ATOMIC_MOVE);
      }
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
