package org.sinklora.spark;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.LongText;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;

/**
 * Texts as documents of tokens, made by this process: in the order of their names, each name once,
 * as {@link Preparation} makes them with Spark.
 *
 * @param train documents to train on
 * @param heldOut documents to evaluate on
 * @param characters of the texts that were read, and of those that were kept
 * @param longDocuments kept texts that were tokenised in segments, see {@link LongText}
 * @param dropped how many texts were left out, by reason
 */
record TokenizedTexts(
    List<int[]> train,
    List<int[]> heldOut,
    long[] characters,
    long longDocuments,
    Map<String, Long> dropped) {

  /**
   * @param minimumCharacters shorter texts are left out
   * @throws UserException if no text is left
   */
  static TokenizedTexts of(
      List<Text> texts, Tokenizer tokenizer, HeldOutSplit split, int minimumCharacters) {
    Map<String, String> byName = new TreeMap<>();
    Map<String, Long> dropped = new TreeMap<>();
    Set<String> seen = new HashSet<>();
    long[] characters = new long[2];
    for (Text text : texts.stream().sorted(Comparator.comparing(Text::name)).toList()) {
      int length = text.text().codePointCount(0, text.text().length());
      characters[0] += length;
      if (length < Math.max(1, minimumCharacters)) {
        dropped.merge(QualityReport.TOO_SHORT, 1L, Long::sum);
      } else if (!seen.add(text.text())) {
        dropped.merge(QualityReport.DUPLICATE, 1L, Long::sum);
      } else if (byName.putIfAbsent(text.name(), text.text()) != null) {
        dropped.merge(QualityReport.SAME_NAME, 1L, Long::sum);
      } else {
        characters[1] += length;
      }
    }
    if (byName.isEmpty()) {
      throw noneLeft(minimumCharacters);
    }
    List<int[]> ids =
        byName.values().parallelStream()
            .map(text -> TokenDocuments.encode(tokenizer, text))
            .toList();
    List<int[]> train = new ArrayList<>();
    List<int[]> heldOut = new ArrayList<>();
    int at = 0;
    for (String name : byName.keySet()) {
      (split.holdsOut(name) ? heldOut : train).add(ids.get(at++));
    }
    long longDocuments =
        byName.values().stream().filter(text -> text.length() > LongText.SEGMENT).count();
    return new TokenizedTexts(train, heldOut, characters, longDocuments, dropped);
  }

  static UserException noneLeft(int minimumCharacters) {
    return new UserException(
        "No document is left: the inputs are empty, or every text has fewer than the %,d characters of --min-characters"
            .formatted(minimumCharacters));
  }
}
