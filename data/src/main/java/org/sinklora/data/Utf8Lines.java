package org.sinklora.data;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.util.Arrays;

/**
 * The lines of a file in UTF-8, which end with LF, CR or both; a byte order mark at its beginning
 * is dropped. Used by one thread.
 */
public final class Utf8Lines implements Closeable {
  /** A Java string can't hold much more. */
  private static final int MAXIMUM_BYTES = 1 << 30;

  private final InputStream in;
  private final String file;
  private final byte[] buffer = new byte[1 << 16];
  private int at;
  private int end;
  private byte[] line = new byte[1 << 10];
  private boolean afterReturn;
  private int number;

  /**
   * @param in the file's content; closed with the reader
   * @param file what errors call it
   */
  public Utf8Lines(InputStream in, String file) {
    this.in = in;
    this.file = file;
  }

  /**
   * The next line, without its end; null behind the last.
   *
   * @throws IOException if it is not UTF-8, or has more than 1 GiB; the message names file and line
   */
  public String next() throws IOException {
    int next = read();
    if (afterReturn && next == '\n') {
      next = read();
    }
    if (next < 0) {
      return null;
    }
    number++;
    int length = 0;
    for (; next >= 0 && next != '\n' && next != '\r'; next = read()) {
      if (length == line.length) {
        if (length == MAXIMUM_BYTES) {
          throw new IOException(
              "%s has more than the %,d bytes of one document; split it"
                  .formatted(where(), MAXIMUM_BYTES));
        }
        line = Arrays.copyOf(line, 2 * length);
      }
      line[length++] = (byte) next;
    }
    afterReturn = next == '\r';
    String text = decode(line, length, where());
    return number == 1 && text.startsWith("\uFEFF") ? text.substring(1) : text;
  }

  private int read() throws IOException {
    if (at == end) {
      at = 0;
      end = Math.max(0, in.read(buffer));
      if (end == 0) {
        return -1;
      }
    }
    return buffer[at++] & 0xff;
  }

  /**
   * The text of a line, for who reads the lines himself.
   *
   * @param length how many of the bytes are the line
   * @param where what errors call the line
   * @throws IOException if it is not UTF-8
   */
  static String decode(byte[] line, int length, String where) throws IOException {
    try {
      return StrictUtf8.decode(Arrays.copyOf(line, length));
    } catch (CharacterCodingException e) {
      throw new IOException(
          "%s is %s of the line; convert the file to UTF-8, for example with iconv"
              .formatted(where, e.getMessage()),
          e);
    }
  }

  /** What errors call the line that was read last. */
  public String where() {
    return "%s, line %,d".formatted(file, number);
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
