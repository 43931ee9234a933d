package org.sinklora.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** The files of this machine, without Hadoop. */
final class LocalStorage extends Storage {
  /** {@code file:} is the one file system that is here too. */
  private static Path at(String path) {
    if (path.matches("(?!file:)[a-z][a-z0-9]+:/.*")) {
      throw new UserException(
          "%s needs Hadoop, which is not on the class path (a bundle holds none); copy it to this machine"
              .formatted(path));
    }
    return Path.of(path.replaceFirst("^file:(//)?(?=/)", ""));
  }

  @Override
  boolean exists(String path) {
    return Files.exists(at(path));
  }

  @Override
  boolean isFolder(String path) {
    return Files.isDirectory(at(path));
  }

  @Override
  List<StoredFile> list(String folder) throws IOException {
    try (Stream<Path> files = Files.list(at(folder))) {
      return stored(files.toList());
    }
  }

  @Override
  List<StoredFile> allFiles(String path) throws IOException {
    try (Stream<Path> files = Files.walk(at(path))) {
      return stored(files.filter(Files::isRegularFile).toList());
    }
  }

  private static List<StoredFile> stored(List<Path> files) throws IOException {
    List<StoredFile> stored = new ArrayList<>();
    for (Path file : files) {
      boolean folder = Files.isDirectory(file);
      long modified = Files.getLastModifiedTime(file).toMillis();
      stored.add(new StoredFile(file.toString(), folder ? 0 : Files.size(file), folder, modified));
    }
    stored.sort(Comparator.comparing(StoredFile::path));
    return stored;
  }

  @Override
  InputStream open(String file) throws IOException {
    return Files.newInputStream(at(file));
  }

  @Override
  OutputStream create(String file) throws IOException {
    createParent(at(file));
    return Files.newOutputStream(at(file));
  }

  @Override
  void createFolder(String folder) throws IOException {
    Files.createDirectories(at(folder));
  }

  private static void createParent(Path path) throws IOException {
    Files.createDirectories(path.toAbsolutePath().getParent());
  }

  @Override
  void move(String from, String to) throws IOException {
    createParent(at(to));
    Files.move(at(from), at(to), StandardCopyOption.ATOMIC_MOVE);
  }

  @Override
  boolean movesFoldersWhole(String path) {
    return true;
  }

  @Override
  void delete(String path) throws IOException {
    FileTree.delete(at(path));
  }

  @Override
  long room(String path) throws IOException {
    Path existing = at(path).toAbsolutePath();
    while (!Files.exists(existing)) {
      existing = existing.getParent();
    }
    return Files.getFileStore(existing).getUsableSpace();
  }

  @Override
  String absolute(String path) {
    return at(path).toAbsolutePath().normalize().toString();
  }

  @Override
  Path local(String path) throws IOException {
    if (!exists(path)) {
      throw new FileNotFoundException(path + " does not exist");
    }
    return at(path).toAbsolutePath();
  }

  @Override
  Path shared(String folder) throws IOException {
    return local(folder);
  }
}
