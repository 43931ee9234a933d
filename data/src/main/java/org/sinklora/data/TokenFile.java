package org.sinklora.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/**
 * A flat file of token ids without a header, mapped into memory: {@code *.bin} holds unsigned
 * 16-bit little-endian ids as LongLoRA's data does, {@code *.u32.bin} unsigned 32-bit ones.
 *
 * <p>Safe for use by several threads. The mapping is released with the object, after it is garbage;
 * the file must not be shortened before.
 */
public final class TokenFile implements TokenStream {
  /** One mapping ends at 2 GiB, so a file is mapped in pieces of this size. */
  private static final int SEGMENT_BYTES = 1 << 30;

  private final Path file;
  private final TokenWidth width;
  private final int vocabularySize;
  private final long size;
  private final long segmentTokens;
  private final ByteBuffer[] segments;

  private TokenFile(
      Path file,
      TokenWidth width,
      int vocabularySize,
      long size,
      long segmentTokens,
      ByteBuffer[] segments) {
    this.file = file;
    this.width = width;
    this.vocabularySize = vocabularySize;
    this.size = size;
    this.segmentTokens = segmentTokens;
    this.segments = segments;
  }

  /**
   * Opens a file whose ids lie in [0, vocabularySize). The ids are checked when they are read.
   *
   * @throws IllegalArgumentException if the name ends with neither {@code .bin} nor {@code
   *     .u32.bin} or the vocabulary has ids the file can't store
   * @throws IOException if the file can't be read or its size is no multiple of an id's
   */
  public static TokenFile open(Path file, int vocabularySize) throws IOException {
    return open(file, vocabularySize, SEGMENT_BYTES);
  }

  static TokenFile open(Path file, int vocabularySize, int segmentBytes) throws IOException {
    TokenWidth width = TokenWidth.of(file);
    width.checkVocabulary(file, vocabularySize);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long bytes = channel.size();
      if (bytes % width.bytes() != 0) {
        throw new IOException(
            "%s has %,d bytes, no multiple of the %d of one token: cut short, or not a %s token file?"
                .formatted(file, bytes, width.bytes(), width));
      }
      ByteBuffer[] segments =
          new ByteBuffer[Math.toIntExact((bytes + segmentBytes - 1) / segmentBytes)];
      for (int i = 0; i < segments.length; i++) {
        long start = (long) i * segmentBytes;
        long length = Math.min(segmentBytes, bytes - start);
        segments[i] =
            channel
                .map(FileChannel.MapMode.READ_ONLY, start, length)
                .order(ByteOrder.LITTLE_ENDIAN);
      }
      long segmentTokens = segmentBytes / width.bytes();
      return new TokenFile(
          file, width, vocabularySize, bytes / width.bytes(), segmentTokens, segments);
    }
  }

  @Override
  public long size() {
    return size;
  }

  /**
   * {@inheritDoc}
   *
   * @throws IOException if an id is outside the vocabulary
   */
  @Override
  public int[] read(long start, int count) throws IOException {
    Objects.checkFromIndexSize(start, count, size);
    int[] ids = new int[count];
    for (int i = 0; i < count; i++) {
      long position = start + i;
      ByteBuffer segment = segments[(int) (position / segmentTokens)];
      int id = width.get(segment, (int) (position % segmentTokens) * width.bytes());
      if (id < 0 || id >= vocabularySize) {
        throw new IOException(
            "%s holds id %s at position %,d, outside the vocabulary of %,d: prepared with another tokenizer?"
                .formatted(file, Integer.toUnsignedString(id), position, vocabularySize));
      }
      ids[i] = id;
    }
    return ids;
  }
}
