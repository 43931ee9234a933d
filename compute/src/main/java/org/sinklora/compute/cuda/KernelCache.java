package org.sinklora.compute.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiled kernels on disk, by a hash of all that went into them. A file is the SHA-256 of the
 * binary and then the binary: a damaged one is noticed and compiled again. A folder that can't be
 * written to costs compilation at every start and nothing else.
 */
final class KernelCache {
  /** System property that names another folder. */
  static final String FOLDER_PROPERTY = "sinklora.cuda.cache";

  private static final Logger LOG = LoggerFactory.getLogger(KernelCache.class);
  private static final int HASH_BYTES = 32;

  private final Path folder;
  private boolean complained;

  KernelCache(Path folder) {
    this.folder = folder;
  }

  /** The folder of the system property, or {@code ~/.cache/sinklora/kernels}. */
  static Path configuredFolder() {
    String configured = System.getProperty(FOLDER_PROPERTY, "");
    return configured.isEmpty()
        ? Path.of(System.getProperty("user.home"), ".cache", "sinklora", "kernels")
        : Path.of(configured);
  }

  /**
   * Name of the file for a source.
   *
   * @param options all options of the compiler, the architecture among them
   * @param compiler name and version of the compiler
   */
  static String fileName(String source, List<String> options, String compiler) {
    MessageDigest digest = sha256();
    for (String part : options) {
      update(digest, part);
    }
    update(digest, compiler);
    update(digest, source);
    return HexFormat.of().formatHex(digest.digest()) + ".cubin";
  }

  /** The length goes first: two lists that read the same when joined are two keys. */
  private static void update(MessageDigest digest, String part) {
    byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
    digest.update((bytes.length + ":").getBytes(StandardCharsets.UTF_8));
    digest.update(bytes);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
  }

  /** The binary under a name; an empty array if there is none or it is damaged. */
  byte[] read(String name) {
    Path file = folder.resolve(name);
    try {
      byte[] content = Files.readAllBytes(file);
      if (content.length > HASH_BYTES) {
        byte[] binary = Arrays.copyOfRange(content, HASH_BYTES, content.length);
        if (Arrays.equals(sha256().digest(binary), Arrays.copyOf(content, HASH_BYTES))) {
          return binary;
        }
      }
      LOG.warn("{} is damaged: its kernel is compiled again", file);
    } catch (NoSuchFileException e) {
      LOG.debug("{} is new", file);
    } catch (IOException e) {
      LOG.warn("{} can't be read ({}): its kernel is compiled again", file, e.toString());
    }
    return new byte[0];
  }

  /** Keeps a binary; other processes see all of it or nothing. */
  void write(String name, byte[] binary) {
    try {
      Files.createDirectories(folder);
      Path part = Files.createTempFile(folder, name, ".part");
      try {
        byte[] content = Arrays.copyOf(sha256().digest(binary), HASH_BYTES + binary.length);
        System.arraycopy(binary, 0, content, HASH_BYTES, binary.length);
        Files.write(part, content);
        Files.move(
            part,
            folder.resolve(name),
            StandardCopyOption.ATOMIC_MOVE,
            StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      if (!complained) {
        complained = true;
        LOG.warn(
            "Compiled kernels can't be kept in {} ({}); -D{}=FOLDER names another folder",
            folder,
            e.toString(),
            FOLDER_PROPERTY);
      }
    }
  }
}
