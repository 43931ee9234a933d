package org.sinklora.data;

import java.util.Arrays;

/**
 * A conversation as a model reads it, and where in it the answers are.
 *
 * @param text the rendered conversation
 * @param answers begin and end of each answer, one pair behind the other, in Unicode code points
 */
public record AnsweredText(String text, int[] answers) {

  /** Its tokens; the text is taken as it is, without a BOS or EOS that the template did not say. */
  public LabelledTokens encode(Tokenizer tokenizer) {
    Tokenizer.Spans spans = tokenizer.encodeSpans(text);
    int[] labels = new int[spans.ids().length];
    Arrays.fill(labels, LabelledTokens.IGNORED);
    int answer = 0;
    for (int token = 0; token < labels.length; token++) {
      int start = spans.starts()[token];
      int end = spans.ends()[token];
      while (answer < answers.length && start >= answers[answer + 1]) {
        answer += 2;
      }
      // White space of no width, as some tokenizers have it, lies where it ends. A token that
      // begins before the answer is none that a model could answer with.
      if (answer < answers.length && start >= answers[answer] && end > answers[answer]) {
        labels[token] = spans.ids()[token];
      }
    }
    return new LabelledTokens(spans.ids(), labels);
  }
}
