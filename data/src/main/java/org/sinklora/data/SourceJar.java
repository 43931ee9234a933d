package org.sinklora.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the Java and Scala files of a Maven {@code sources} jar as documents.
 *
 * <p>A document is the file with CRLF turned into LF and without the leading comment if that states
 * a licence or copyright. Files of fewer than 1,500 or more than 400,000 characters or with a line
 * of more than 2,000 (all counted after the cut), files marked as generated and files that are not
 * UTF-8 are left out. This is how the bundled model's training and held-out texts were made.
 */
public final class SourceJar {
  private static final Logger LOG = LoggerFactory.getLogger(SourceJar.class);

  /** More than any source file needs, small enough to read into memory. */
  private static final int MAXIMUM_ENTRY_BYTES = 32 << 20;

  private static final long MAXIMUM_TOTAL_BYTES = 2L << 30;

  private final Path jar;
  private final int maximumEntryBytes;
  private final long maximumTotalBytes;

  private SourceJar(Path jar, int maximumEntryBytes, long maximumTotalBytes) {
    this.jar = jar;
    this.maximumEntryBytes = maximumEntryBytes;
    this.maximumTotalBytes = maximumTotalBytes;
  }

  /**
   * All documents of a jar, ordered by name; a document's name is the name of its entry.
   *
   * @throws IOException if the file is missing, no jar, damaged, or inflates to more than a
   *     collection of source files would (32 MiB for one file, 2 GiB for all)
   */
  public static List<Document> read(Path jar) throws IOException {
    return read(jar, MAXIMUM_ENTRY_BYTES, MAXIMUM_TOTAL_BYTES);
  }

  static List<Document> read(Path jar, int maximumEntryBytes, long maximumTotalBytes)
      throws IOException {
    return new SourceJar(jar, maximumEntryBytes, maximumTotalBytes).documents();
  }

  private List<Document> documents() throws IOException {
    try (ZipFile zip = new ZipFile(jar.toFile())) {
      List<ZipEntry> entries = new ArrayList<>(zip.stream().filter(SourceJar::isSource).toList());
      entries.sort(Comparator.comparing(ZipEntry::getName));
      List<Document> documents = new ArrayList<>();
      long total = 0;
      for (ZipEntry entry : entries) {
        byte[] content = content(zip, entry);
        total += content.length;
        if (total > maximumTotalBytes) {
          throw new IOException(
              "The source files of %s inflate to more than %,d bytes; split the jar"
                  .formatted(jar, maximumTotalBytes));
        }
        document(entry.getName(), content).ifPresent(documents::add);
      }
      return documents;
    } catch (ZipException e) {
      throw new IOException(
          jar + " is no jar, or a damaged one (" + e.getMessage() + "); fetch it again", e);
    }
  }

  private static boolean isSource(ZipEntry entry) {
    String name = entry.getName();
    return !entry.isDirectory() && (name.endsWith(".java") || name.endsWith(".scala"));
  }

  private byte[] content(ZipFile zip, ZipEntry entry) throws IOException {
    byte[] content;
    try (InputStream in = zip.getInputStream(entry)) {
      // The size an entry declares can be a lie; what it inflates to can't.
      content = in.readNBytes(maximumEntryBytes + 1);
    } catch (IOException e) {
      throw damaged(entry, e.getMessage(), e);
    }
    if (content.length > maximumEntryBytes) {
      throw new IOException(
          "%s in %s inflates to more than %,d bytes, no source file; remove it from the jar"
              .formatted(entry.getName(), jar, maximumEntryBytes));
    }
    // ZipFile does not check it.
    CRC32 crc = new CRC32();
    crc.update(content);
    if (crc.getValue() != entry.getCrc()) {
      throw damaged(entry, "its checksum does not match", null);
    }
    return content;
  }

  private IOException damaged(ZipEntry entry, String why, IOException cause) {
    return new IOException(
        "%s in %s is damaged (%s); fetch the jar again".formatted(entry.getName(), jar, why),
        cause);
  }

  private Optional<Document> document(String name, byte[] content) {
    String source;
    try {
      source = StrictUtf8.decode(content);
    } catch (CharacterCodingException e) {
      LOG.warn("Left out {} in {}: {}", name, jar, e.getMessage());
      return Optional.empty();
    }
    return SourceText.of(source).map(text -> new Document(name, text));
  }
}
