package org.sinklora.data;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * Which documents are held out for evaluation. It depends on a document's name alone, so that a
 * document stays on its side when others come and go.
 *
 * @param share of the documents that is held out, in [0, 1]
 */
public record HeldOutSplit(double share) implements Serializable {
  public HeldOutSplit {
    if (!(share >= 0 && share <= 1)) {
      throw new IllegalArgumentException(
          "The held-out share is %s; it lies in [0, 1]: 0 to train on everything, 1 to hold out everything"
              .formatted(share));
    }
  }

  /** Whether the document of that name is held out. */
  public boolean holdsOut(String name) {
    byte[] hash = Sha256.create().digest(name.getBytes(StandardCharsets.UTF_8));
    // 53 bits: the precision of a double.
    double position = (ByteBuffer.wrap(hash).getLong() >>> 11) * 0x1p-53;
    return position < share;
  }
}
