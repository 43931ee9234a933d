package org.sinklora.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Files and folders under paths: those of Hadoop ({@code file:}, {@code hdfs:}, {@code s3a:}) where
 * Hadoop is on the class path, else those of this machine.
 */
abstract class Storage {
  private static final String OLD = "old";
  private static final String FRESH = "tmp";

  /** What was at a path while it is replaced; see {@link #sibling}. */
  private static final Pattern REPLACED = Pattern.compile("\\._(.+)\\.[0-9a-f-]{36}\\." + OLD);

  /** What has not been moved to its place yet. */
  private static final Pattern HALF_WRITTEN = Pattern.compile("\\._.+\\.[0-9a-f-]{36}\\." + FRESH);

  private static final Pattern ROOT = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*:)?(//[^/]*)?/*");

  private static final String HADOOP = "org.apache.hadoop.conf.Configuration";

  /** The storage of this process: Hadoop's with its default settings, if there is Hadoop. */
  static Storage here() {
    return ClassPath.has(HADOOP) ? HadoopStorage.create() : new LocalStorage();
  }

  /** A path below a folder. */
  static String child(String folder, String name) {
    return folder.endsWith("/") ? folder + name : folder + "/" + name;
  }

  /** The last part of a path. */
  static String name(String path) {
    String trimmed = path.replaceFirst("[/\\\\]+$", "");
    return trimmed.substring(Math.max(trimmed.lastIndexOf('/'), trimmed.lastIndexOf('\\')) + 1);
  }

  /** A path without slashes at its end; the root of a file system keeps its own. */
  static String withoutSlash(String path) {
    return ROOT.matcher(path).matches() ? path : path.replaceFirst("/+$", "");
  }

  /** A hidden name beside a path, which readers of the folder skip. */
  static String sibling(String path, String ending) {
    String trimmed = path.replaceFirst("/+$", "");
    String folder = trimmed.substring(0, trimmed.length() - name(trimmed).length());
    return folder + "._" + name(trimmed) + "." + UUID.randomUUID() + "." + ending;
  }

  abstract boolean exists(String path) throws IOException;

  abstract boolean isFolder(String path) throws IOException;

  /** What lies in a folder, by name. */
  abstract List<StoredFile> list(String folder) throws IOException;

  /** All files of a folder and its subfolders, or the file itself, in the order of their paths. */
  abstract List<StoredFile> allFiles(String path) throws IOException;

  abstract InputStream open(String file) throws IOException;

  /** Begins a file, with its folders; what is written is there for others after a flush. */
  abstract OutputStream create(String file) throws IOException;

  abstract void createFolder(String folder) throws IOException;

  /** Renames a file or folder; the target does not exist. */
  abstract void move(String from, String to) throws IOException;

  /**
   * Whether a folder is moved as a whole: others see it here or there. An object store copies one
   * file after the other instead.
   */
  abstract boolean movesFoldersWhole(String path) throws IOException;

  /** Deletes a file, or a folder with all that is in it; nothing if there is none. */
  abstract void delete(String path) throws IOException;

  /** Bytes that still fit where the path is or would be. */
  abstract long room(String path) throws IOException;

  /** The absolute path, without the name of a file system. */
  abstract String absolute(String path) throws IOException;

  /**
   * A folder or file as one of this machine: itself if it is local, otherwise a copy, of the files
   * right in it, that ends with the process.
   *
   * @throws FileNotFoundException if there is none
   */
  abstract Path local(String path) throws IOException;

  /**
   * As {@link #local}, for the folder of a model, which many processes read and none writes to: one
   * that is not local is copied once for each host, without weights that are not safetensors.
   *
   * @throws FileNotFoundException if there is none
   */
  abstract Path shared(String folder) throws IOException;

  /** Whether this is a folder with something in it. */
  boolean isFilled(String folder) throws IOException {
    return exists(folder) && !list(folder).isEmpty();
  }

  /**
   * Refuses an output folder in which something lies.
   *
   * @param overwrite whether it may be replaced
   * @param mark a file that says that the folder was written by the same command; without it
   *     nothing is replaced, since it may be any folder
   * @throws UserException if there is something and it is not to be replaced
   */
  void checkOutput(String folder, boolean overwrite, String mark) throws IOException {
    if (!isFilled(folder)) {
      return;
    }
    if (!overwrite) {
      throw new UserException(
          "The output folder %s exists and is not empty; choose another, or pass --overwrite to replace it"
              .formatted(folder));
    }
    if (!exists(child(folder, mark))) {
      throw new UserException(
          "%s is not empty and has no %s, so it was not written by this command: it is not overwritten; remove it yourself or choose another"
              .formatted(folder, mark));
    }
  }

  /**
   * @throws UserException if the file system has less room than that
   */
  void checkRoom(String folder, long bytes) throws IOException {
    long remaining = room(folder);
    if (remaining < bytes) {
      throw new UserException(
          "%s has room for %,d MiB, but %,d MiB are needed; free some, or choose another --output"
              .formatted(folder, remaining >> 20, (bytes >> 20) + 1));
    }
  }

  byte[] readBytes(String file) throws IOException {
    try (InputStream in = open(file)) {
      return in.readAllBytes();
    }
  }

  String readText(String file) throws IOException {
    return new String(readBytes(file), StandardCharsets.UTF_8);
  }

  /** Writes a file that appears complete or not at all. */
  void writeText(String file, String text) throws IOException {
    String fresh = sibling(file, FRESH);
    try {
      try (OutputStream out = create(fresh)) {
        out.write(text.getBytes(StandardCharsets.UTF_8));
      }
      replace(fresh, file);
    } finally {
      delete(fresh);
    }
  }

  /**
   * Copies a local folder so that the target appears complete or not at all; what was there before
   * is replaced.
   */
  void upload(Path folder, String target) throws IOException {
    upload(folder, target, null);
  }

  /**
   * The same with one file written last: where a folder can only appear in parts, its being there
   * says that the others are.
   *
   * @param last name of that file; null for none
   */
  void upload(Path folder, String target, String last) throws IOException {
    String fresh = sibling(target, FRESH);
    try {
      createFolder(fresh);
      for (Path file : filesOf(folder, last)) {
        try (OutputStream out = create(child(fresh, file.getFileName().toString()))) {
          Files.copy(file, out);
        }
      }
      replace(fresh, target, last);
    } finally {
      delete(fresh);
    }
  }

  private static List<Path> filesOf(Path folder, String last) throws IOException {
    Comparator<Path> lastAtTheEnd =
        Comparator.comparing(file -> file.getFileName().toString().equals(last));
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(Files::isRegularFile)
          .sorted(lastAtTheEnd.thenComparing(Comparator.naturalOrder()))
          .toList();
    }
  }

  /** Moves {@code fresh} to {@code target}; what was there is removed only once that is done. */
  void replace(String fresh, String target) throws IOException {
    recover(target);
    String old = sibling(target, OLD);
    boolean replaces = exists(target);
    if (replaces) {
      move(target, old);
    }
    try {
      move(fresh, target);
    } catch (IOException e) {
      if (replaces) {
        move(old, target);
      }
      throw e;
    }
    if (replaces) {
      delete(old);
    }
  }

  /**
   * The same for a folder. Where it can only be moved in parts, one file of it is removed first
   * from what was there and put last to its new place: its being there says that the others are.
   *
   * @param last name of that file; null for none
   */
  void replace(String fresh, String target, String last) throws IOException {
    if (last == null || movesFoldersWhole(target)) {
      replace(fresh, target);
      return;
    }
    delete(child(target, last));
    delete(target);
    for (StoredFile file : list(fresh)) {
      if (!file.name().equals(last)) {
        move(file.path(), child(target, file.name()));
      }
    }
    move(child(fresh, last), child(target, last));
  }

  /**
   * Puts back what was at a path if a process ended while it was {@link #replace replacing} it:
   * between the two moves there is nothing at the path, and the old is beside it.
   */
  void recover(String target) throws IOException {
    if (!exists(target)) {
      String trimmed = target.replaceFirst("/+$", "");
      String folder = trimmed.substring(0, trimmed.length() - name(trimmed).length());
      recover(folder.isEmpty() ? "." : folder, name(trimmed));
    }
  }

  /** Recovers whatever in a folder was being replaced. */
  void recoverAll(String folder) throws IOException {
    recover(folder, null);
  }

  /**
   * @param only the name to recover; null for all
   */
  private void recover(String folder, String only) throws IOException {
    if (!exists(folder)) {
      return;
    }
    for (StoredFile file : list(folder)) {
      Matcher matcher = REPLACED.matcher(file.name());
      if (matcher.matches() && (only == null || only.equals(matcher.group(1)))) {
        String target = child(folder, matcher.group(1));
        if (exists(target)) {
          delete(file.path());
        } else {
          moveBack(file.path(), target);
        }
      }
    }
  }

  private void moveBack(String old, String target) throws IOException {
    try {
      move(old, target);
    } catch (IOException e) {
      // Of several ranks of a run that go on together another one was quicker.
      if (!exists(target)) {
        throw e;
      }
    }
  }

  /** Deletes what a process that ended left half-written in a folder that is this process's own. */
  void deleteHalfWritten(String folder) throws IOException {
    if (!exists(folder)) {
      return;
    }
    for (StoredFile file : list(folder)) {
      if (HALF_WRITTEN.matcher(file.name()).matches()) {
        delete(file.path());
      }
    }
  }

  /** The subfolders of a folder, by name; none if there is no such folder. */
  List<String> folders(String folder) throws IOException {
    if (!exists(folder)) {
      return List.of();
    }
    return list(folder).stream()
        .filter(StoredFile::folder)
        .sorted(Comparator.comparing(StoredFile::name))
        .map(StoredFile::path)
        .toList();
  }

  /** As {@link #allFiles}, hidden ones left out. */
  List<StoredFile> files(String path) throws IOException {
    return allFiles(path).stream()
        .filter(file -> !file.name().startsWith(".") && !file.name().startsWith("_"))
        .sorted(Comparator.comparing(StoredFile::path))
        .toList();
  }
}
