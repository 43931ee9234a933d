package org.sinklora.h2o;

/**
 * A part of a cache's budget: a number of tokens, or a ratio of the prompt as in H2O's own code.
 *
 * @param value tokens, a whole number; or the ratio, above 0 and at most 1
 * @param ratio which of the two
 */
public record TokenCount(double value, boolean ratio) {

  /**
   * @throws IllegalArgumentException if the value is negative, no whole number of tokens, or a
   *     ratio outside (0, 1]
   */
  public TokenCount {
    if (ratio && !(value > 0 && value <= 1)) {
      throw new IllegalArgumentException(
          "a ratio of the prompt lies above 0 and is at most 1, not " + value);
    }
    if (!ratio && !(value >= 0 && value <= Integer.MAX_VALUE && value == Math.rint(value))) {
      throw new IllegalArgumentException("not a number of tokens: " + value);
    }
  }

  /** A number of tokens. */
  public static TokenCount tokens(int tokens) {
    return new TokenCount(tokens, false);
  }

  /** A ratio of the prompt. */
  public static TokenCount ofPrompt(double ratio) {
    return new TokenCount(ratio, true);
  }

  /**
   * {@code 512} is a number of tokens, {@code 0.1} a ratio: the decimal point tells.
   *
   * @throws IllegalArgumentException if the text is neither
   */
  public static TokenCount parse(String text) {
    try {
      return text.indexOf('.') >= 0
          ? ofPrompt(Double.parseDouble(text))
          : tokens(Integer.parseInt(text));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "neither a number of tokens such as 512 nor a ratio of the prompt such as 0.1: " + text,
          e);
    }
  }

  /** The number of tokens for a prompt, at least one for a ratio. */
  int resolve(int promptTokens) {
    return ratio ? Math.max(1, (int) (value * promptTokens)) : (int) value;
  }

  /** Whether it is a fixed number of tokens below {@code least}. */
  boolean isBelow(int least) {
    return !ratio && value < least;
  }

  @Override
  public String toString() {
    return ratio ? Double.toString(value) : Integer.toString((int) value);
  }
}
