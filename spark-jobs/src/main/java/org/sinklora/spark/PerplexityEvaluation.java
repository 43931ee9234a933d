package org.sinklora.spark;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sinklora.data.SequencePlan.Slice;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.Perplexity;

/**
 * What is evaluated and how.
 *
 * @param data data set whose held-out documents are used
 * @param protocol which windows
 * @param lengths tokens of the windows, several at once
 * @param stride tokens from window to window in the stream protocol
 * @param documents how many documents at most; 0 for all
 * @param minimumTokens what a document must have; 0 for the largest of the lengths, so that all
 *     lengths are measured on the same documents
 * @param tail how many predictions of each window count, the last ones
 */
record PerplexityEvaluation(
    String data,
    EvaluationWindows.Protocol protocol,
    List<Integer> lengths,
    int stride,
    int documents,
    int minimumTokens,
    int tail) {
  /** Tokens of a stream; each executor holds them. */
  private static final int LONGEST_STREAM = 500_000_000;

  PerplexityEvaluation {
    for (int length : lengths) {
      if (length < 2) {
        throw new UserException(
            "--lengths has %d; a window predicts something from 2 tokens on".formatted(length));
      }
    }
    if (stride < 1 || tail < 1 || documents < 0 || minimumTokens < 0) {
      throw new UserException("--stride and --tail are at least 1, --documents at least 0");
    }
  }

  /** The perplexity by length. */
  Map<Integer, Perplexity> of(Place place, ModelSource model, String adapter) throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(model.folder(place.storage()))) {
      ModelFit.check(tokenizer, model);
      TokenDataSet set = place.open(data, Split.HELD_OUT, tokenizer, model);
      WindowEvaluation windows = place.windows(model, adapter, tail);
      return protocol == EvaluationWindows.Protocol.DOCUMENTS
          ? byDocument(set, windows)
          : byStream(set, windows);
    }
  }

  private Map<Integer, Perplexity> byDocument(TokenDataSet set, WindowEvaluation windows)
      throws IOException {
    int longest = lengths.stream().mapToInt(Integer::intValue).max().orElseThrow();
    int minimum = minimumTokens > 0 ? minimumTokens : longest;
    List<Slice> slices = EvaluationWindows.documents(set.lengths(), longest, minimum, documents);
    int[] tokens = read(set, slices);
    Map<Integer, int[]> starts = new TreeMap<>();
    for (int length : lengths) {
      int[] positions = new int[slices.size()];
      Arrays.setAll(positions, i -> i * longest);
      starts.put(length, positions);
    }
    return windows.run(tokens, starts);
  }

  private Map<Integer, Perplexity> byStream(TokenDataSet set, WindowEvaluation windows)
      throws IOException {
    long size = set.info().heldOut().tokens();
    if (size > LONGEST_STREAM) {
      throw new UserException(
          "The held-out stream has %,d tokens, more than the %,d of one evaluation; hold out fewer documents"
              .formatted(size, LONGEST_STREAM));
    }
    int[] tokens = read(set, EvaluationWindows.whole(set.lengths()));
    Map<Integer, int[]> starts = new TreeMap<>();
    for (int length : lengths) {
      if (tokens.length < length) {
        throw new UserException(
            "The held-out stream has %,d tokens, fewer than a window of %,d; evaluate shorter --lengths"
                .formatted(tokens.length, length));
      }
      int[] positions = new int[(tokens.length - length) / stride + 1];
      Arrays.setAll(positions, i -> i * stride);
      starts.put(length, positions);
    }
    return windows.run(tokens, starts);
  }

  private static int[] read(TokenDataSet set, List<Slice> slices) {
    try (JobDescription job = JobDescription.of("Reading the held-out documents")) {
      return joined(set.read(slices));
    }
  }

  private static int[] joined(List<int[]> parts) {
    int[] all = new int[parts.stream().mapToInt(part -> part.length).sum()];
    int at = 0;
    for (int[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return all;
  }

  /** The protocol in words, to stand next to every number. */
  String describe() {
    String counted = tail == Integer.MAX_VALUE ? "" : ", last " + tail + " predictions";
    return protocol == EvaluationWindows.Protocol.DOCUMENTS
        ? "documents: BOS and the first tokens of each document, full attention" + counted
        : "stream: windows every %d tokens, full attention%s".formatted(stride, counted);
  }
}
