package org.sinklora.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;

/**
 * Texts as documents of tokens, made by this process: in the order of their names, each name once,
 * as {@link Preparation} makes them with Spark.
 *
 * @param train documents to train on
 * @param heldOut documents to evaluate on
 */
record TokenizedTexts(List<int[]> train, List<int[]> heldOut) {

  /**
   * @param minimumCharacters shorter texts are left out
   * @throws UserException if no text is left
   */
  static TokenizedTexts of(
      List<Text> texts, Tokenizer tokenizer, HeldOutSplit split, int minimumCharacters) {
    Map<String, String> byName = new TreeMap<>();
    for (Text text : texts) {
      int characters = text.text().codePointCount(0, text.text().length());
      if (characters >= Math.max(1, minimumCharacters)) {
        byName.putIfAbsent(text.name(), text.text());
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
    return new TokenizedTexts(train, heldOut);
  }

  static UserException noneLeft(int minimumCharacters) {
    return new UserException(
        "No document is left: the inputs are empty, or every text has fewer than the %,d characters of --min-characters"
            .formatted(minimumCharacters));
  }
}
