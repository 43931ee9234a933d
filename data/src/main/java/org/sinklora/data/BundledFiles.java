package org.sinklora.data;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

/** The files of a bundled model with their sizes and hashes, and their extraction into a cache. */
final class BundledFiles {
  /** Where the bytes of a file come from. */
  @FunctionalInterface
  interface Source {
    InputStream open(String file) throws IOException;
  }

  private record Entry(String sha256, long size, String name) {}

  private final String folderName;
  private final List<Entry> entries;

  private BundledFiles(String folderName, List<Entry> entries) {
    this.folderName = folderName;
    this.entries = entries;
  }

  /** Reads a manifest: one line {@code <sha-256> <size in bytes> <name>} per file. */
  static BundledFiles read(String modelName, InputStream manifest) throws IOException {
    MessageDigest content = Sha256.create();
    List<Entry> entries = new ArrayList<>();
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(manifest, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] fields = line.split(" ", 3);
      if (fields.length != 3) {
        throw new IOException("The manifest of " + modelName + " has a damaged line: " + line);
      }
      entries.add(new Entry(fields[0], Long.parseLong(fields[1]), fields[2]));
      content.update(line.getBytes(StandardCharsets.UTF_8));
    }
    String hash = HexFormat.of().formatHex(content.digest(), 0, 8);
    return new BundledFiles(modelName + "-" + hash, List.copyOf(entries));
  }

  List<String> names() {
    return entries.stream().map(Entry::name).toList();
  }

  void verifySizes(Path folder) throws IOException {
    for (Entry entry : entries) {
      Path file = folder.resolve(entry.name());
      if (!isComplete(file, entry)) {
        throw new IOException(
            "%s should have %,d bytes but %s; build the module again"
                .formatted(
                    file,
                    entry.size(),
                    Files.exists(file) ? "has %,d".formatted(Files.size(file)) : "does not exist"));
      }
    }
  }

  /**
   * Makes sure that {@code cache/<model>-<content hash>} holds every file and returns it.
   *
   * <p>Each file is written under a name of its own and then moved over its place in one step, and
   * nobody is handed the folder before all files are there. So extractions that run together can't
   * disturb each other, and a file that an interrupted copy or a full disk left short is replaced.
   */
  Path extract(Path cache, Source source) throws IOException {
    Path folder = cache.resolve(folderName);
    for (Entry entry : entries) {
      if (!isComplete(folder.resolve(entry.name()), entry)) {
        try {
          Files.createDirectories(folder);
          extract(folder, entry, source);
        } catch (IOException e) {
          throw new IOException(
              "Can't extract the bundled model's %s into %s (%s); choose another folder with -D%s=FOLDER"
                  .formatted(entry.name(), folder, e, CacheFolder.PROPERTY),
              e);
        }
      }
    }
    return folder;
  }

  private static void extract(Path folder, Entry entry, Source source) throws IOException {
    Path target = folder.resolve(entry.name());
    Path temporary = folder.resolve(entry.name() + "." + UUID.randomUUID() + ".tmp");
    try {
      MessageDigest digest = Sha256.create();
      try (InputStream in = source.open(entry.name());
          OutputStream out =
              new DigestOutputStream(
                  Files.newOutputStream(temporary, StandardOpenOption.CREATE_NEW), digest)) {
        in.transferTo(out);
      }
      String found = HexFormat.of().formatHex(digest.digest());
      if (!found.equals(entry.sha256())) {
        throw new IOException(
            "the copy has SHA-256 " + found + " instead of " + entry.sha256() + ": damaged jar?");
      }
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static boolean isComplete(Path file, Entry entry) throws IOException {
    return Files.isRegularFile(file) && Files.size(file) == entry.size();
  }
}
