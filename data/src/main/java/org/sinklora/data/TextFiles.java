package org.sinklora.data;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Reads the plain-text files of a folder and its subfolders as documents. */
public final class TextFiles {
  /** A Java string can't hold much more. */
  private static final long MAXIMUM_BYTES = 1L << 30;

  private TextFiles() {}

  /**
   * All files whose name ends with one of the extensions, ordered by name; a document's name is the
   * file's path below the folder, with {@code /}. CRLF is turned into LF and a byte order mark
   * dropped. Symbolic links to folders are not followed.
   *
   * @param extensions such as {@code ".txt"}; upper and lower case differ
   * @throws IOException if the folder is none or has no such file, or if a file can't be read, is
   *     not UTF-8 or has more than 1 GiB
   */
  public static List<Document> read(Path folder, String... extensions) throws IOException {
    if (!Files.isDirectory(folder)) {
      throw new NotDirectoryException(folder.toString());
    }
    List<Document> documents = new ArrayList<>();
    for (Path file : find(folder, extensions)) {
      documents.add(new Document(name(folder, file), text(file)));
    }
    if (documents.isEmpty()) {
      throw new IOException(
          "%s and its subfolders have no file that ends with one of %s"
              .formatted(folder, Arrays.toString(extensions)));
    }
    documents.sort(Comparator.comparing(Document::name));
    return documents;
  }

  private static List<Path> find(Path folder, String[] extensions) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      return paths
          .filter(path -> Arrays.stream(extensions).anyMatch(path.toString()::endsWith))
          .filter(Files::isRegularFile)
          .toList();
    } catch (UncheckedIOException e) {
      throw new IOException("Can't list " + folder + ": " + e.getMessage(), e);
    }
  }

  private static String name(Path folder, Path file) {
    return folder.relativize(file).toString().replace(File.separatorChar, '/');
  }

  private static String text(Path file) throws IOException {
    long bytes = Files.size(file);
    if (bytes > MAXIMUM_BYTES) {
      throw new IOException(
          "%s has %,d bytes, more than the %,d of one document; split it"
              .formatted(file, bytes, MAXIMUM_BYTES));
    }
    return decode(file.toString(), Files.readAllBytes(file));
  }

  /**
   * The text of one file's content, wherever it was read from: CRLF turned into LF, a byte order
   * mark dropped.
   *
   * @param file what errors call it
   * @throws IOException if the content is not UTF-8
   */
  public static String decode(String file, byte[] content) throws IOException {
    try {
      String text = StrictUtf8.decode(content).replace("\r\n", "\n");
      return text.startsWith("\uFEFF") ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw new IOException(
          file + " is " + e.getMessage() + "; convert it to UTF-8, for example with iconv", e);
    }
  }
}
