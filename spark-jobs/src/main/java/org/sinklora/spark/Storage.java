package org.sinklora.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/** Files and folders under Hadoop paths: {@code file:}, {@code hdfs:}, {@code s3a:}. */
final class Storage {
  private final Configuration configuration;

  Storage(Configuration configuration) {
    this.configuration = configuration;
  }

  /**
   * The file system of a path. A local one without Hadoop's checksum files, which would lie about
   * in folders that other programs read.
   */
  FileSystem fileSystem(Path path) throws IOException {
    FileSystem found = path.getFileSystem(configuration);
    return found instanceof LocalFileSystem local ? local.getRawFileSystem() : found;
  }

  boolean exists(Path path) throws IOException {
    return fileSystem(path).exists(path);
  }

  /** Whether this is a folder with something in it. */
  boolean isFilled(Path folder) throws IOException {
    return exists(folder) && fileSystem(folder).listStatus(folder).length > 0;
  }

  /**
   * Refuses an output folder in which something lies.
   *
   * @param overwrite whether it may be replaced
   * @param mark a file that says that the folder was written by the same command; without it
   *     nothing is replaced, since it may be any folder
   * @throws UserException if there is something and it is not to be replaced
   */
  void checkOutput(Path folder, boolean overwrite, String mark) throws IOException {
    if (!isFilled(folder)) {
      return;
    }
    if (!overwrite) {
      throw new UserException(
          "The output folder %s exists and is not empty; choose another, or pass --overwrite to replace it"
              .formatted(folder));
    }
    if (!exists(new Path(folder, mark))) {
      throw new UserException(
          "%s is not empty and has no %s, so it was not written by this command: it is not overwritten; remove it yourself or choose another"
              .formatted(folder, mark));
    }
  }

  /**
   * @throws UserException if the file system has less room than that
   */
  void checkRoom(Path folder, long bytes) throws IOException {
    Path existing = folder.makeQualified(fileSystem(folder).getUri(), workingFolder(folder));
    while (!exists(existing) && existing.getParent() != null) {
      existing = existing.getParent();
    }
    long remaining = fileSystem(existing).getStatus(existing).getRemaining();
    if (remaining < bytes) {
      throw new UserException(
          "%s has room for %,d MiB, but %,d MiB are needed; free some, or choose another --output"
              .formatted(existing, remaining >> 20, (bytes >> 20) + 1));
    }
  }

  private Path workingFolder(Path path) throws IOException {
    return fileSystem(path).getWorkingDirectory();
  }

  String readText(Path file) throws IOException {
    try (FSDataInputStream in = fileSystem(file).open(file)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  byte[] readBytes(Path file) throws IOException {
    try (FSDataInputStream in = fileSystem(file).open(file)) {
      return in.readAllBytes();
    }
  }

  /** Writes a file that appears complete or not at all. */
  void writeText(Path file, String text) throws IOException {
    FileSystem fileSystem = fileSystem(file);
    Path fresh = sibling(file, "tmp");
    try {
      try (FSDataOutputStream out = fileSystem.create(fresh, true)) {
        out.write(text.getBytes(StandardCharsets.UTF_8));
      }
      replace(fresh, file);
    } finally {
      fileSystem.delete(fresh, false);
    }
  }

  /**
   * Copies a local folder so that the target appears complete or not at all; what was there before
   * is replaced.
   */
  void upload(java.nio.file.Path folder, Path target) throws IOException {
    FileSystem fileSystem = fileSystem(target);
    Path fresh = sibling(target, "tmp");
    try {
      fileSystem.mkdirs(fresh);
      for (java.nio.file.Path file : filesOf(folder)) {
        try (FSDataOutputStream out =
            fileSystem.create(new Path(fresh, file.getFileName().toString()), true)) {
          Files.copy(file, out);
        }
      }
      replace(fresh, target);
    } finally {
      fileSystem.delete(fresh, true);
    }
  }

  /** Moves {@code fresh} to {@code target}; what was there is removed only once that is done. */
  void replace(Path fresh, Path target) throws IOException {
    FileSystem fileSystem = fileSystem(target);
    Path old = sibling(target, "old");
    boolean replaces = fileSystem.exists(target);
    if (replaces) {
      rename(fileSystem, target, old);
    }
    try {
      rename(fileSystem, fresh, target);
    } catch (IOException e) {
      if (replaces) {
        rename(fileSystem, old, target);
      }
      throw e;
    }
    if (replaces) {
      fileSystem.delete(old, true);
    }
  }

  private static void rename(FileSystem fileSystem, Path from, Path to) throws IOException {
    if (to.getParent() != null) {
      fileSystem.mkdirs(to.getParent());
    }
    if (!fileSystem.rename(from, to)) {
      throw new IOException("Can't move " + from + " to " + to);
    }
  }

  /** A hidden name beside a path, which readers of the folder skip. */
  static Path sibling(Path path, String ending) {
    String name = "._" + path.getName() + "." + UUID.randomUUID() + "." + ending;
    return path.getParent() == null ? new Path(name) : new Path(path.getParent(), name);
  }

  private static List<java.nio.file.Path> filesOf(java.nio.file.Path folder) throws IOException {
    try (Stream<java.nio.file.Path> files = Files.list(folder)) {
      return files.filter(Files::isRegularFile).sorted().toList();
    }
  }

  /** The folder itself if it is local, otherwise a copy of its files that ends with the process. */
  java.nio.file.Path local(Path folder) throws IOException {
    FileSystem fileSystem = fileSystem(folder);
    if (!fileSystem.exists(folder)) {
      throw new FileNotFoundException(folder + " does not exist");
    }
    if (fileSystem.getUri().getScheme().equals("file")) {
      return java.nio.file.Path.of(fileSystem.makeQualified(folder).toUri().getPath());
    }
    java.nio.file.Path copy = Files.createTempDirectory("sinklora-");
    copy.toFile().deleteOnExit();
    for (FileStatus status : fileSystem.listStatus(folder)) {
      if (status.isFile()) {
        java.nio.file.Path target = copy.resolve(status.getPath().getName());
        target.toFile().deleteOnExit();
        try (FSDataInputStream in = fileSystem.open(status.getPath())) {
          Files.copy(in, target);
        }
      }
    }
    return copy;
  }

  /** The subfolders of a folder, by name; none if there is no such folder. */
  List<Path> folders(Path folder) throws IOException {
    if (!exists(folder)) {
      return List.of();
    }
    return Arrays.stream(fileSystem(folder).listStatus(folder))
        .filter(FileStatus::isDirectory)
        .map(FileStatus::getPath)
        .sorted(Comparator.comparing(Path::getName))
        .toList();
  }

  /** All files of a folder and its subfolders, or the file itself; hidden ones left out. */
  List<FileStatus> files(Path path) throws IOException {
    FileSystem fileSystem = fileSystem(path);
    List<FileStatus> files = new ArrayList<>();
    RemoteIterator<LocatedFileStatus> all = fileSystem.listFiles(path, true);
    while (all.hasNext()) {
      FileStatus file = all.next();
      String name = file.getPath().getName();
      if (!name.startsWith(".") && !name.startsWith("_")) {
        files.add(file);
      }
    }
    files.sort(Comparator.comparing(file -> file.getPath().toString()));
    return files;
  }

  void delete(Path path) throws IOException {
    fileSystem(path).delete(path, true);
  }
}
