package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What became of the texts of {@link Prepare}: {@code sinklora_report.json} in the data set.
 *
 * @param documents that were read
 * @param characters of all of them, Unicode code points
 * @param keptDocuments that are in the data set
 * @param keptCharacters of these
 * @param tokens of these, before they were packed
 * @param dropped how many were left out, by reason
 * @param seconds of the whole preparation
 * @param cores that worked
 */
record QualityReport(
    long documents,
    long characters,
    long keptDocuments,
    long keptCharacters,
    long tokens,
    Map<String, Long> dropped,
    double seconds,
    int cores) {
  static final String FILE = "sinklora_report.json";

  /** Fewer characters than asked for. */
  static final String TOO_SHORT = "too_short";

  /** The text of another document. */
  static final String DUPLICATE = "duplicate";

  /** The name of another document, whose text differs. */
  static final String SAME_NAME = "same_name";

  /** Nearly the text of another document. */
  static final String NEAR_DUPLICATE = "near_duplicate";

  /** A conversation that fits no packed sequence. */
  static final String TOO_LONG = "too_long";

  QualityReport {
    dropped = new TreeMap<>(dropped);
  }

  double tokensPerSecondPerCore() {
    return tokens / seconds / cores;
  }

  ObjectNode json() {
    ObjectNode json = new JsonMapper().valueToTree(this);
    json.put("tokensPerSecondPerCore", tokensPerSecondPerCore());
    return json;
  }

  String describe() {
    String reasons =
        dropped.entrySet().stream()
            .map(reason -> "%,d %s".formatted(reason.getValue(), reason.getKey()))
            .collect(Collectors.joining(", "));
    return "%,d documents of %,d characters read, %,d kept; dropped: %s; %,d tokens, %.2f characters each, %,.0f tokens/s a core"
        .formatted(
            documents,
            characters,
            keptDocuments,
            reasons.isEmpty() ? "none" : reasons,
            tokens,
            keptCharacters / (double) Math.max(1, tokens),
            tokensPerSecondPerCore());
  }
}
