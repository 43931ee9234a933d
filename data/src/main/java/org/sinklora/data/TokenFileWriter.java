package org.sinklora.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes a {@link TokenFile}. The file appears under its name, complete and replacing any older
 * one, when {@link #commit} is called; closed without it, the writer leaves nothing behind. For use
 * by one thread.
 */
public final class TokenFileWriter implements AutoCloseable {
  private static final int BUFFER_BYTES = 1 << 16;

  private final Path target;
  private final Path temporary;
  private final TokenWidth width;
  private final int vocabularySize;
  private final FileChannel channel;
  private final ByteBuffer buffer =
      ByteBuffer.allocateDirect(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private long size;

  private TokenFileWriter(Path target, TokenWidth width, int vocabularySize) throws IOException {
    this.target = target;
    this.width = width;
    this.vocabularySize = vocabularySize;
    this.temporary = target.resolveSibling(target.getFileName() + "." + UUID.randomUUID() + ".tmp");
    this.channel =
        FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
  }

  /**
   * Begins a file; its name decides the format.
   *
   * @param target {@code *.bin} for a vocabulary of up to 65,536 tokens, {@code *.u32.bin} for any;
   *     its folder must exist
   * @throws IllegalArgumentException if the name is another or the vocabulary too large for it
   */
  public static TokenFileWriter create(Path target, int vocabularySize) throws IOException {
    TokenWidth width = TokenWidth.of(target);
    width.checkVocabulary(target, vocabularySize);
    return new TokenFileWriter(target, width, vocabularySize);
  }

  /**
   * Appends ids.
   *
   * @throws IllegalArgumentException if an id lies outside [0, vocabularySize); those before it are
   *     appended
   */
  public void write(int... ids) throws IOException {
    for (int id : ids) {
      if (id < 0 || id >= vocabularySize) {
        throw new IllegalArgumentException(
            "Id %d for position %,d of %s is outside the vocabulary of %,d"
                .formatted(id, size, target, vocabularySize));
      }
      if (buffer.remaining() < width.bytes()) {
        flush();
      }
      width.put(buffer, id);
      size++;
    }
  }

  /** Number of ids written so far. */
  public long size() {
    return size;
  }

  /** Ends the file and makes it visible under its name. */
  public void commit() throws IOException {
    flush();
    // Otherwise a crash of the machine could leave the name without the content.
    channel.force(true);
    channel.close();
    Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
  }

  private void flush() throws IOException {
    buffer.flip();
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
    buffer.clear();
  }

  @Override
  public void close() throws IOException {
    channel.close();
    Files.deleteIfExists(temporary);
  }
}
