package org.sinklora.spark;

import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import scala.runtime.AbstractFunction1;

/**
 * Which values a param of Spark ML takes. What it does not take is refused with the value and the
 * limit; Spark by itself says no more than that a value is invalid.
 */
final class ParamRule<T> extends AbstractFunction1<T, Object> implements Serializable {
  private static final long serialVersionUID = 1;

  /** Throws an {@link IllegalArgumentException} if it does not like a value. */
  @FunctionalInterface
  interface Check<T> extends Serializable {
    void check(T value);
  }

  private final Check<T> check;

  private ParamRule(Check<T> check) {
    this.check = check;
  }

  @Override
  public Object apply(T value) {
    check.check(value);
    return true;
  }

  /** Whole numbers from {@code least} on. */
  static ParamRule<Object> atLeast(String name, long least) {
    return new ParamRule<>(
        value -> require(((Number) value).longValue() >= least, name, value, least + " or more"));
  }

  /** Numbers above 0. */
  static ParamRule<Object> positive(String name) {
    return new ParamRule<>(
        value -> {
          double number = ((Number) value).doubleValue();
          require(number > 0 && number < Double.POSITIVE_INFINITY, name, value, "a number above 0");
        });
  }

  /** Numbers from 0 on. */
  static ParamRule<Object> notNegative(String name) {
    return between(name, 0, Double.MAX_VALUE, "0 or more");
  }

  /** Shares of a whole. */
  static ParamRule<Object> share(String name) {
    return between(name, 0, 1, "a share from 0 to 1");
  }

  private static ParamRule<Object> between(String name, double from, double to, String limit) {
    return new ParamRule<>(
        value -> {
          double number = ((Number) value).doubleValue();
          require(number >= from && number <= to, name, value, limit);
        });
  }

  /** One of a few words. */
  static ParamRule<String> oneOf(String name, String... choices) {
    List<String> known = List.of(choices);
    int last = choices.length - 1;
    String limit = String.join(", ", known.subList(0, last)) + " or " + choices[last];
    return that(name, known::contains, limit);
  }

  /** Says whether a word fits. */
  @FunctionalInterface
  interface Words extends Serializable {
    boolean have(String word);
  }

  /**
   * Words of a kind.
   *
   * @param limit the kind
   */
  static ParamRule<String> that(String name, Words words, String limit) {
    return new ParamRule<>(value -> require(words.have(value), name, "'" + value + "'", limit));
  }

  /** Lists of words with something in them. */
  static ParamRule<String[]> someOf(String name) {
    return new ParamRule<>(
        words ->
            require(
                words.length > 0 && Arrays.stream(words).noneMatch(String::isBlank),
                name,
                Arrays.toString(words),
                "one name or more, none of them empty"));
  }

  /** What a parser reads, whose message says what it takes. */
  static ParamRule<String> parsed(String name, Check<String> parser) {
    return new ParamRule<>(
        value -> {
          try {
            parser.check(value);
          } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                "%s is '%s': %s".formatted(name, value, e.getMessage()), e);
          }
        });
  }

  private static void require(boolean fits, String name, Object value, String limit) {
    if (!fits) {
      throw new IllegalArgumentException("%s is %s; choose %s".formatted(name, value, limit));
    }
  }
}
