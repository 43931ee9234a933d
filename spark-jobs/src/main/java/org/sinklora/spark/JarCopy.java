package org.sinklora.spark;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/** Writes jars from parts of others and from folders of classes. */
final class JarCopy {
  private JarCopy() {}

  /** The entries of a jar that are to be kept. */
  static void ofJar(Path jar, Predicate<String> keeps, Path target) throws IOException {
    try (ZipFile from = new ZipFile(jar.toFile());
        ZipOutputStream to = new ZipOutputStream(Files.newOutputStream(target))) {
      for (ZipEntry entry : from.stream().toList()) {
        if (!entry.isDirectory() && keeps.test(entry.getName())) {
          try (InputStream content = from.getInputStream(entry)) {
            add(to, entry.getName(), content);
          }
        }
      }
    }
  }

  /** All files of a folder. */
  static void ofFolder(Path folder, Path target) throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.walk(folder)) {
      files = all.filter(Files::isRegularFile).sorted().toList();
    }
    try (ZipOutputStream to = new ZipOutputStream(Files.newOutputStream(target))) {
      for (Path file : files) {
        try (InputStream content = Files.newInputStream(file)) {
          add(to, folder.relativize(file).toString().replace('\\', '/'), content);
        }
      }
    }
  }

  private static void add(ZipOutputStream to, String name, InputStream content) throws IOException {
    ZipEntry entry = new ZipEntry(name);
    // The same content gives the same jar.
    entry.setTime(0);
    to.putNextEntry(entry);
    content.transferTo(to);
    to.closeEntry();
  }
}
