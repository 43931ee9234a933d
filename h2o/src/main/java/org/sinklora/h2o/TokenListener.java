package org.sinklora.h2o;

/** Is told of every token as it comes. */
@FunctionalInterface
public interface TokenListener {
  /**
   * Called on the generating thread; an exception fails this sequence and no other.
   *
   * @return whether to go on; false cancels this sequence
   */
  boolean onToken(GeneratedToken token);
}
