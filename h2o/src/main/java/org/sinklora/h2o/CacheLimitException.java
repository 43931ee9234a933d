package org.sinklora.h2o;

/** A cache has reached its limit. The message names it and the way out. */
final class CacheLimitException extends RuntimeException {
  private static final long serialVersionUID = 1;

  CacheLimitException(String message) {
    super(message);
  }
}
