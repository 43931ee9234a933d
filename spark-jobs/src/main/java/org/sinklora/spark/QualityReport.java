package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.sinklora.data.LongText;

/**
 * What became of the texts of {@link Prepare}: {@code sinklora_report.json} in the data set.
 *
 * @param documents that were read
 * @param characters of all of them, Unicode code points
 * @param keptDocuments that are in the data set
 * @param keptCharacters of these
 * @param tokens of these, before they were packed
 * @param longDocuments kept ones that were tokenised in segments, see {@link LongText}
 * @param dropped how many were left out, by reason
 * @param packedFill how much of the packed rows is filled, at most 1; null if nothing was packed
 * @param tokenizing what tokenising alone took
 * @param seconds of the whole preparation
 * @param cores that worked
 */
record QualityReport(
    long documents,
    long characters,
    long keptDocuments,
    long keptCharacters,
    long tokens,
    long longDocuments,
    Map<String, Long> dropped,
    Double packedFill,
    Tokenizing tokenizing,
    double seconds,
    int cores) {
  static final String FILE = "sinklora_report.json";

  /** Fewer characters than asked for. */
  static final String TOO_SHORT = "too_short";

  /** The text of another document. */
  static final String DUPLICATE = "duplicate";

  /**
   * The name of another document, whose text differs: an object store may have {@code a.jar/b.java}
   * beside an {@code a.jar} with a {@code b.java}.
   */
  static final String SAME_NAME = "same_name";

  /** Nearly the text of another document. */
  static final String NEAR_DUPLICATE = "near_duplicate";

  /** A conversation that fits no packed sequence. */
  static final String TOO_LONG = "too_long";

  /**
   * Reading the chosen texts, tokenising and writing them.
   *
   * @param tokens that were made in this run
   * @param coreSeconds processor time of all tasks together, what other processes took not counted
   * @param parts of the work
   * @param partsFound how many of these an earlier run had finished
   */
  record Tokenizing(long tokens, double coreSeconds, long parts, long partsFound) {
    double tokensPerSecondPerCore() {
      return coreSeconds == 0 ? 0 : tokens / coreSeconds;
    }
  }

  QualityReport {
    dropped = new TreeMap<>(dropped);
  }

  double tokensPerSecondPerCore() {
    return tokens / seconds / cores;
  }

  ObjectNode json() {
    ObjectNode json = new JsonMapper().valueToTree(this);
    json.put("tokensPerSecondPerCore", tokensPerSecondPerCore());
    json.withObject("tokenizing")
        .put("tokensPerSecondPerCore", tokenizing.tokensPerSecondPerCore());
    return json;
  }

  String describe() {
    String reasons =
        dropped.entrySet().stream()
            .map(reason -> "%,d %s".formatted(reason.getValue(), reason.getKey()))
            .collect(Collectors.joining(", "));
    return "%,d documents of %,d characters read, %,d kept; dropped: %s; %,d tokens, %.2f characters each%s%n%s, %,.0f tokens/s per core of the whole run"
        .formatted(
            documents,
            characters,
            keptDocuments,
            reasons.isEmpty() ? "none" : reasons,
            tokens,
            keptCharacters / (double) Math.max(1, tokens),
            packedFill == null ? "" : ", packed rows %.1f %% full".formatted(100 * packedFill),
            tokenized(),
            tokensPerSecondPerCore());
  }

  private String tokenized() {
    String made =
        "Tokenised %,d tokens, %,.0f tokens/s per core"
            .formatted(tokenizing.tokens(), tokenizing.tokensPerSecondPerCore());
    return tokenizing.partsFound() == 0
        ? made
        : "%s; %,d of %,d parts were there"
            .formatted(made, tokenizing.partsFound(), tokenizing.parts());
  }
}
