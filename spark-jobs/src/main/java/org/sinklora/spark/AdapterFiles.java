package org.sinklora.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.spark.SparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.sinklora.data.Sha256;

/**
 * The files of an adapter folder in memory, as they travel to tasks: the folder they came from may
 * be gone by then.
 */
final class AdapterFiles implements Serializable {
  private static final long serialVersionUID = 1;

  /** Bytes that are kept together: a file may have more than an array takes. */
  private static final int PART = 64 << 20;

  /** A run of bytes of a file; its parts follow each other. */
  private record Part(String file, byte[] bytes) implements Serializable {}

  private final ArrayList<Part> parts = new ArrayList<>();
  private final String hash;
  private transient Broadcast<AdapterFiles> broadcast;
  private transient SparkContext sender;

  private AdapterFiles(Storage storage, List<StoredFile> files) throws IOException {
    var digest = Sha256.create();
    for (StoredFile file : files) {
      try (InputStream in = storage.open(file.path())) {
        byte[] bytes;
        do {
          bytes = in.readNBytes(PART);
          digest.update(bytes);
          parts.add(new Part(file.name(), bytes));
        } while (bytes.length == PART);
      }
    }
    hash = HexFormat.of().formatHex(digest.digest());
  }

  /**
   * Reads a folder.
   *
   * @throws UserException if it is no adapter folder
   */
  static AdapterFiles read(Storage storage, String folder) throws IOException {
    storage.recover(folder);
    if (!storage.exists(Storage.child(folder, "adapter_config.json"))) {
      throw new UserException(
          folder + " is no adapter folder: it has no adapter_config.json; give one that was saved");
    }
    return new AdapterFiles(
        storage, storage.list(folder).stream().filter(file -> !file.folder()).toList());
  }

  /** Tells apart adapters. */
  String hash() {
    return hash;
  }

  /** Writes the folder of a Hadoop path; it appears complete or not at all. */
  void write(Storage storage, String folder) throws IOException {
    try (LocalFolder local = new LocalFolder()) {
      unpack(local.path());
      storage.upload(local.path(), folder, AdapterFolder.LAST);
    }
  }

  /** Writes the files into a folder of this machine. */
  void unpack(Path folder) throws IOException {
    for (Part part : parts) {
      try (OutputStream out =
          Files.newOutputStream(
              folder.resolve(part.file()), StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
        out.write(part.bytes());
      }
    }
  }

  /**
   * The base model under the configuration that the adapter was trained with.
   *
   * @param base location of the base model; null for what the adapter names
   */
  ModelSource model(String base, Storage storage) throws IOException {
    try (LocalFolder local = new LocalFolder()) {
      unpack(local.path());
      return AdapterFolder.model(local.path().toUri().toString(), base, storage);
    }
  }

  /** The same for all tasks of an application, sent once. */
  synchronized Broadcast<AdapterFiles> broadcast(SparkSession spark) {
    if (sender == null || sender != spark.sparkContext()) {
      sender = spark.sparkContext();
      broadcast = SparkSessions.context(spark).broadcast(this);
    }
    return broadcast;
  }
}
