package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.data.Document;

/**
 * A part of the inputs that one task reads: some small files, one file, or a range of a large one.
 * How the inputs are cut depends on the files alone, and what a new file changes is near it: so a
 * chunk is the same in every run, however many machines there are.
 *
 * @param sources one, or several small files
 * @param start first byte of a range
 * @param end the byte behind it; a record belongs to the range in which it begins
 */
record TextChunk(TextSources.Kind kind, List<TextSources.Source> sources, long start, long end)
    implements Serializable {
  /** Bytes of a range, and of small files together. */
  static final long BYTES = 32 << 20;

  /** Small files are together up to one in 256, picked by the highest bits of its name's hash. */
  private static final int FILES_SHIFT = 24;

  /**
   * @param limit bytes of a range, and of small files together
   */
  static List<TextChunk> cut(TextSources sources, long limit) throws IOException {
    List<TextChunk> chunks = new ArrayList<>();
    for (TextSources.Kind kind : TextSources.Kind.values()) {
      switch (kind) {
        case TEXT -> addGroups(kind, sources.of(kind), limit, chunks);
        case JSON_LINES, PARQUET -> {
          for (TextSources.Source source : sources.of(kind)) {
            addRanges(kind, source, limit, chunks);
          }
        }
        case CONVERSATIONS -> {
          for (TextSources.Source source : sources.of(kind)) {
            if (source.bytes() > limit && source.hasObjectsInLines(sources.storage())) {
              addRanges(kind, source, limit, chunks);
            } else {
              chunks.add(new TextChunk(kind, List.of(source), 0, source.bytes()));
            }
          }
        }
        case SOURCE_JAR -> {
          for (TextSources.Source source : sources.of(kind)) {
            chunks.add(new TextChunk(kind, List.of(source), 0, source.bytes()));
          }
        }
      }
    }
    return chunks;
  }

  private static void addGroups(
      TextSources.Kind kind, List<TextSources.Source> sources, long limit, List<TextChunk> chunks) {
    List<TextSources.Source> group = new ArrayList<>();
    long bytes = 0;
    for (TextSources.Source source : sources) {
      group.add(source);
      bytes += source.bytes();
      if (bytes >= limit || (source.prefix().hashCode() * 0x9E3779B9) >>> FILES_SHIFT == 0) {
        chunks.add(new TextChunk(kind, List.copyOf(group), 0, bytes));
        group.clear();
        bytes = 0;
      }
    }
    if (!group.isEmpty()) {
      chunks.add(new TextChunk(kind, List.copyOf(group), 0, bytes));
    }
  }

  private static void addRanges(
      TextSources.Kind kind, TextSources.Source source, long limit, List<TextChunk> chunks) {
    for (long start = 0; start < source.bytes(); start += limit) {
      long end = Math.min(start + limit, source.bytes());
      chunks.add(new TextChunk(kind, List.of(source), start, end));
    }
  }

  /** Whether it is a part of its one file, and not all. */
  boolean isRange() {
    return sources.size() == 1 && bytes() < source().bytes();
  }

  long bytes() {
    return end - start;
  }

  /** The one file of a chunk that has one. */
  TextSources.Source source() {
    return sources.get(0);
  }

  /** Changes with the files and with the range. */
  String fingerprint() {
    StringBuilder all = new StringBuilder("%s %d %d".formatted(kind, start, end));
    for (TextSources.Source source : sources) {
      all.append(
          "\n%s %s %d %d"
              .formatted(source.file(), source.prefix(), source.bytes(), source.modified()));
    }
    return Document.ofContent(all.toString()).name();
  }
}
