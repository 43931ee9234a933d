package org.sinklora.h2o;

/** Why a generation ended. */
public enum FinishReason {
  /** A stop id came. */
  STOP_ID,
  /** A stop string came. */
  STOP_STRING,
  /** The greatest number of tokens was reached. */
  LENGTH,
  /** The listener or the cancellation asked for it. */
  CANCELLED,
  /** Something went wrong with this sequence; the result says what. */
  FAILED
}
