package org.sinklora.data;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** UTF-8 that says where a text is malformed instead of replacing what it can't read. */
final class StrictUtf8 {
  private StrictUtf8() {}

  static String decode(byte[] bytes) throws CharacterCodingException {
    CharsetDecoder decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    ByteBuffer in = ByteBuffer.wrap(bytes);
    CharBuffer out = CharBuffer.allocate(bytes.length);
    CoderResult result = decoder.decode(in, out, true);
    if (result.isError()) {
      throw new MalformedUtf8(in.position());
    }
    return out.flip().toString();
  }

  private static final class MalformedUtf8 extends CharacterCodingException {
    private final int position;

    MalformedUtf8(int position) {
      this.position = position;
    }

    @Override
    public String getMessage() {
      return "not UTF-8 at byte %,d".formatted(position);
    }
  }
}
