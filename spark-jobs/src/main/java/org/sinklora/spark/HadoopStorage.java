package org.sinklora.spark;

import java.io.FileNotFoundException;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.util.VersionInfo;

/** Hadoop's file systems. */
final class HadoopStorage extends Storage {
  /** File systems whose folders have names of their own, which a rename changes at once. */
  private static final Set<String> WITH_FOLDERS = Set.of("file", "hdfs", "viewfs");

  /** Weights that nothing here reads; many model folders have them beside their safetensors. */
  private static final Pattern OTHER_WEIGHTS =
      Pattern.compile(".*\\.(bin|pt|pth|ckpt|h5|msgpack|ot|onnx|gguf|tflite)");

  private final Configuration configuration;

  HadoopStorage(Configuration configuration) {
    this.configuration = configuration;
  }

  /** With the settings of this process, under Spark also those of {@code spark.hadoop.*}. */
  static Storage create() {
    return ClassPath.hasSpark()
        ? SparkSessions.taskStorage()
        : new HadoopStorage(new Configuration());
  }

  /**
   * The file system of a path. A local one without Hadoop's checksum files, which would lie about
   * in folders that other programs read.
   */
  private FileSystem fileSystem(Path path) throws IOException {
    FileSystem found;
    try {
      found = path.getFileSystem(configuration);
    } catch (RuntimeException e) {
      if (e.getCause() instanceof ClassNotFoundException) {
        throw new UserException(
            "The file system of %s is not on the class path (%s); s3a: comes with 'spark-submit --packages org.apache.hadoop:hadoop-aws:%s', others with a package of their own"
                .formatted(path, e.getCause().getMessage(), VersionInfo.getVersion()),
            e);
      }
      throw e;
    }
    return found instanceof LocalFileSystem local ? local.getRawFileSystem() : found;
  }

  @Override
  boolean exists(String path) throws IOException {
    Path at = new Path(path);
    return fileSystem(at).exists(at);
  }

  @Override
  boolean isFolder(String path) throws IOException {
    Path at = new Path(path);
    return fileSystem(at).exists(at) && fileSystem(at).getFileStatus(at).isDirectory();
  }

  @Override
  List<StoredFile> list(String folder) throws IOException {
    Path at = new Path(folder);
    return Arrays.stream(fileSystem(at).listStatus(at))
        .map(HadoopStorage::stored)
        .sorted(Comparator.comparing(StoredFile::name))
        .toList();
  }

  @Override
  List<StoredFile> allFiles(String path) throws IOException {
    Path at = new Path(path);
    List<StoredFile> files = new ArrayList<>();
    FileSystem fileSystem = fileSystem(at);
    if (fileSystem instanceof RawLocalFileSystem) {
      addLocal(fileSystem, at, files);
    } else {
      RemoteIterator<LocatedFileStatus> all = fileSystem.listFiles(at, true);
      while (all.hasNext()) {
        files.add(stored(all.next()));
      }
    }
    files.sort(Comparator.comparing(StoredFile::path));
    return files;
  }

  /** Without the permissions that listFiles asks for, by a process of its own for every file. */
  private static void addLocal(FileSystem fileSystem, Path folder, List<StoredFile> files)
      throws IOException {
    for (FileStatus status : fileSystem.listStatus(folder)) {
      if (status.isDirectory()) {
        addLocal(fileSystem, status.getPath(), files);
      } else {
        files.add(stored(status));
      }
    }
  }

  private static StoredFile stored(FileStatus status) {
    return new StoredFile(
        status.getPath().toString(),
        status.getLen(),
        status.isDirectory(),
        status.getModificationTime());
  }

  @Override
  InputStream open(String file) throws IOException {
    Path at = new Path(file);
    return fileSystem(at).open(at);
  }

  @Override
  OutputStream create(String file) throws IOException {
    Path at = new Path(file);
    FSDataOutputStream hadoops = fileSystem(at).create(at, true);
    return new FilterOutputStream(hadoops) {
      @Override
      public void write(byte[] bytes, int from, int count) throws IOException {
        hadoops.write(bytes, from, count);
      }

      @Override
      public void flush() throws IOException {
        hadoops.hflush();
      }
    };
  }

  @Override
  void createFolder(String folder) throws IOException {
    Path at = new Path(folder);
    fileSystem(at).mkdirs(at);
  }

  @Override
  void move(String from, String to) throws IOException {
    Path source = new Path(from);
    Path target = new Path(to);
    FileSystem fileSystem = fileSystem(target);
    if (target.getParent() != null) {
      fileSystem.mkdirs(target.getParent());
    }
    if (!fileSystem.rename(source, target)) {
      throw new IOException("Can't move " + from + " to " + to);
    }
  }

  @Override
  boolean movesFoldersWhole(String path) throws IOException {
    return WITH_FOLDERS.contains(fileSystem(new Path(path)).getUri().getScheme());
  }

  @Override
  void delete(String path) throws IOException {
    Path at = new Path(path);
    fileSystem(at).delete(at, true);
  }

  @Override
  long room(String path) throws IOException {
    Path at = new Path(path);
    FileSystem fileSystem = fileSystem(at);
    Path existing = at.makeQualified(fileSystem.getUri(), fileSystem.getWorkingDirectory());
    while (!fileSystem.exists(existing) && existing.getParent() != null) {
      existing = existing.getParent();
    }
    // Behind a viewfs: mount it is a path of another file system, which knows itself alone.
    Path real = fileSystem.resolvePath(existing);
    return fileSystem(real).getStatus(real).getRemaining();
  }

  @Override
  String absolute(String path) throws IOException {
    Path at = new Path(path);
    return fileSystem(at).makeQualified(at).toUri().getPath();
  }

  @Override
  java.nio.file.Path local(String path) throws IOException {
    Path at = new Path(path);
    FileSystem fileSystem = fileSystem(at);
    if (!fileSystem.exists(at)) {
      throw new FileNotFoundException(path + " does not exist");
    }
    if (fileSystem.getUri().getScheme().equals("file")) {
      return java.nio.file.Path.of(absolute(path));
    }
    java.nio.file.Path copy = Files.createTempDirectory("sinklora-");
    copy.toFile().deleteOnExit();
    for (FileStatus status : fileSystem.listStatus(at)) {
      if (status.isFile()) {
        java.nio.file.Path target = copy.resolve(status.getPath().getName());
        target.toFile().deleteOnExit();
        try (InputStream in = fileSystem.open(status.getPath())) {
          Files.copy(in, target);
        }
      }
    }
    // The status of a file is a list of itself.
    return fileSystem.getFileStatus(at).isFile() ? copy.resolve(at.getName()) : copy;
  }

  @Override
  java.nio.file.Path shared(String folder) throws IOException {
    Path at = new Path(folder);
    FileSystem fileSystem = fileSystem(at);
    if (fileSystem.getUri().getScheme().equals("file")) {
      return local(folder);
    }
    // Fails where there is no such folder.
    List<StoredFile> files =
        list(folder).stream()
            .filter(file -> !file.folder() && !OTHER_WEIGHTS.matcher(file.name()).matches())
            .toList();
    String location = fileSystem.makeQualified(at).toString();
    return new HostCache().fetch(location, files, file -> open(file.path()));
  }
}
