package org.sinklora.data;

import java.nio.ByteBuffer;
import java.nio.file.Path;

/** How a token file stores an id, told by the end of its name. */
enum TokenWidth {
  /** {@code *.bin}: unsigned 16 bits, little-endian; LongLoRA's format. */
  UINT16(2, 1 << 16) {
    @Override
    int get(ByteBuffer buffer, int at) {
      return Short.toUnsignedInt(buffer.getShort(at));
    }

    @Override
    void put(ByteBuffer buffer, int id) {
      buffer.putShort((short) id);
    }
  },

  /** {@code *.u32.bin}: unsigned 32 bits, little-endian. */
  UINT32(4, Integer.MAX_VALUE) {
    @Override
    int get(ByteBuffer buffer, int at) {
      return buffer.getInt(at);
    }

    @Override
    void put(ByteBuffer buffer, int id) {
      buffer.putInt(id);
    }
  };

  private final int bytes;
  private final int largestVocabulary;

  TokenWidth(int bytes, int largestVocabulary) {
    this.bytes = bytes;
    this.largestVocabulary = largestVocabulary;
  }

  static TokenWidth of(Path file) {
    String name = String.valueOf(file.getFileName());
    if (name.endsWith(".u32.bin")) {
      return UINT32;
    }
    if (name.endsWith(".bin")) {
      return UINT16;
    }
    throw new IllegalArgumentException(
        file + " is no token file: name it *.bin (16 bits a token) or *.u32.bin (32 bits)");
  }

  int bytes() {
    return bytes;
  }

  /** Refuses a vocabulary with ids that the file can't store. */
  void checkVocabulary(Path file, int vocabularySize) {
    if (vocabularySize < 1) {
      throw new IllegalArgumentException("A vocabulary of " + vocabularySize + " tokens");
    }
    if (vocabularySize > largestVocabulary) {
      throw new IllegalArgumentException(
          "%s can't hold a vocabulary of %,d tokens, only %,d; name the file *.u32.bin"
              .formatted(file, vocabularySize, largestVocabulary));
    }
  }

  /** The id at a byte offset; an unsigned 32-bit id beyond an int comes back negative. */
  abstract int get(ByteBuffer buffer, int at);

  abstract void put(ByteBuffer buffer, int id);
}
