package org.sinklora.spark;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.sinklora.data.Document;
import org.sinklora.data.SourceJar;
import org.sinklora.data.TextFiles;

/** Finds the files with the texts of {@link Prepare}, and reads them one by one. */
final class TextSources {
  /** A Java string can't hold much more. */
  private static final long MAXIMUM_TEXT_BYTES = 1L << 30;

  /** Of UTF-8. */
  private static final String BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf";

  /** What a file is, told by its name. */
  enum Kind {
    TEXT,
    JSON_LINES,
    PARQUET,
    SOURCE_JAR,
    CONVERSATIONS
  }

  /**
   * A file with texts.
   *
   * @param prefix what its documents' names begin with
   * @param bytes its size
   * @param modified when it was last written, in milliseconds since 1970
   */
  record Source(String file, String prefix, long bytes, long modified) implements Serializable {
    /** The document of a plain-text file. */
    Text text(Storage storage) throws IOException {
      if (bytes > MAXIMUM_TEXT_BYTES) {
        throw new UserException(
            "%s has %,d bytes, more than the %,d of one document; split it, or make it JSON lines"
                .formatted(file, bytes, MAXIMUM_TEXT_BYTES));
      }
      return new Text(prefix, TextFiles.decode(file, storage.readBytes(file)));
    }

    /** The documents of a Maven {@code sources} jar. */
    List<Text> sourceFiles(Storage storage) throws IOException {
      try (LocalFolder local = new LocalFolder()) {
        Path copy = local.path().resolve("sources.jar");
        try (InputStream in = storage.open(file)) {
          Files.copy(in, copy);
        }
        List<Text> texts = new ArrayList<>();
        for (Document document : SourceJar.read(copy)) {
          texts.add(Text.of(prefix, document));
        }
        if (texts.isEmpty()) {
          throw new UserException(
              file + " holds no Java or Scala source; give the jar with classifier 'sources'");
        }
        return texts;
      }
    }

    /**
     * Whether a file of conversations is one of lines, which can be cut: its name says so, and it
     * does not begin as an array does.
     */
    boolean hasObjectsInLines(Storage storage) throws IOException {
      if (!file.toLowerCase(Locale.ROOT).endsWith(".jsonl")) {
        return false;
      }
      try (InputStream in = new BufferedInputStream(storage.open(file))) {
        int first = in.read();
        while (first >= 0 && (first <= ' ' || BYTE_ORDER_MARK.indexOf(first) >= 0)) {
          first = in.read();
        }
        return first == '{';
      }
    }
  }

  private final Storage storage;
  private final List<String> extensions;
  private final boolean conversations;
  private final List<StoredFile> files = new ArrayList<>();
  private final Map<Kind, List<Found>> found = new EnumMap<>(Kind.class);
  private final List<String> roots = new ArrayList<>();

  /**
   * A file before its input has a name, which the other inputs decide too.
   *
   * @param root absolute path of the input
   * @param below path of the file below it; empty if it is the input
   */
  private record Found(StoredFile file, String root, String below, Kind kind) {
    Source named(String input) {
      String name = below.isEmpty() ? input : input + "/" + below;
      return new Source(
          file.path(), kind == Kind.SOURCE_JAR ? name + "/" : name, file.bytes(), file.modified());
    }
  }

  /**
   * @param extensions of plain-text files
   */
  TextSources(Storage storage, List<String> extensions) {
    this(storage, extensions, false);
  }

  /** Finds files with conversations, JSON and JSON lines, and nothing else. */
  static TextSources ofConversations(Storage storage) {
    return new TextSources(storage, List.of(".json"), true);
  }

  private TextSources(Storage storage, List<String> extensions, boolean conversations) {
    this.storage = storage;
    this.extensions = extensions;
    this.conversations = conversations;
    for (Kind kind : Kind.values()) {
      found.put(kind, new ArrayList<>());
    }
  }

  /**
   * Adds a file, or every file of a folder that is text.
   *
   * @throws UserException if it does not exist or has nothing to read
   */
  void add(String input) throws IOException {
    if (!storage.exists(input)) {
      throw new UserException("The input %s does not exist".formatted(input));
    }
    boolean folder = storage.isFolder(input);
    String root = storage.absolute(input);
    roots.add(root);
    int count = 0;
    long bytes = 0;
    for (StoredFile file : storage.files(input)) {
      Kind kind = kind(file.name(), !folder);
      if (kind != null) {
        String below = folder ? storage.absolute(file.path()).substring(root.length()) : "";
        found.get(kind).add(new Found(file, root, below.replaceFirst("^/", ""), kind));
        files.add(file);
        count++;
        bytes += file.bytes();
      }
    }
    if (count == 0) {
      throw new UserException(
          conversations
              ? "%s and its subfolders have no file that ends with .json or .jsonl".formatted(input)
              : "%s and its subfolders have no file that ends with one of %s, .jsonl, .parquet or .jar; name others with --extensions"
                  .formatted(input, String.join(", ", extensions)));
    }
    if (bytes == 0) {
      throw new UserException("The input %s is empty; give it some text".formatted(input));
    }
  }

  private Kind kind(String name, boolean namedByUser) {
    String lower = name.toLowerCase(Locale.ROOT);
    if (conversations) {
      boolean found = namedByUser || lower.endsWith(".json") || lower.endsWith(".jsonl");
      return found ? Kind.CONVERSATIONS : null;
    }
    if (lower.endsWith(".jsonl")) {
      return Kind.JSON_LINES;
    }
    if (lower.endsWith(".parquet")) {
      return Kind.PARQUET;
    }
    if (lower.endsWith(".jar")) {
      return Kind.SOURCE_JAR;
    }
    return namedByUser || extensions.stream().anyMatch(name::endsWith) ? Kind.TEXT : null;
  }

  /** Every file that is read; says whether one changed since. */
  List<StoredFile> files() {
    return files;
  }

  /** Named by their path below the input, so that the input can be elsewhere. */
  List<Source> of(Kind kind) {
    Map<String, String> names = InputNames.of(roots);
    return found.get(kind).stream().map(file -> file.named(names.get(file.root()))).toList();
  }

  /** Where the files are. */
  Storage storage() {
    return storage;
  }
}
