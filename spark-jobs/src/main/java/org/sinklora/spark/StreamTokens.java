package org.sinklora.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.data.SequencePlan;
import org.sinklora.data.TokenStream;

/** Documents that lie one behind the other in a stream of tokens: in memory, or in a token file. */
final class StreamTokens implements TokenDataSet {
  /** Tokens that are looked at together for the bounds of the documents. */
  private static final int CHUNK = 1 << 20;

  private final TokenStream stream;
  private final DataSetInfo info;
  private final long[] starts;
  private final int[] lengths;

  private StreamTokens(TokenStream stream, DataSetInfo info, long[] starts, int[] lengths) {
    this.stream = stream;
    this.info = info;
    this.starts = starts;
    this.lengths = lengths;
  }

  /** Documents whose lengths are known. */
  static StreamTokens of(TokenStream stream, DataSetInfo info, int[] lengths) {
    long[] starts = new long[lengths.length];
    for (int i = 1; i < starts.length; i++) {
      starts[i] = starts[i - 1] + lengths[i - 1];
    }
    return new StreamTokens(stream, info, starts, lengths);
  }

  /**
   * Documents that their special tokens tell apart: a document begins at the start, and at every
   * BOS that follows an EOS; without BOS behind every EOS, without EOS at every BOS.
   *
   * @param bos −1 if there is none
   * @param eos −1 if there is none
   */
  static int[] lengths(TokenStream stream, int bos, int eos) throws IOException {
    List<Integer> lengths = new ArrayList<>();
    int length = 0;
    int before = -1;
    for (long at = 0; at < stream.size(); at += CHUNK) {
      for (int id : stream.read(at, (int) Math.min(CHUNK, stream.size() - at))) {
        boolean bounded = bos >= 0 || eos >= 0;
        if (bounded && length > 0 && (bos < 0 || id == bos) && (eos < 0 || before == eos)) {
          lengths.add(length);
          length = 0;
        }
        length++;
        before = id;
      }
    }
    if (length > 0) {
      lengths.add(length);
    }
    return lengths.stream().mapToInt(Integer::intValue).toArray();
  }

  @Override
  public DataSetInfo info() {
    return info;
  }

  @Override
  public int[] lengths() {
    return lengths.clone();
  }

  @Override
  public List<int[]> read(List<SequencePlan.Slice> slices) {
    List<int[]> found = new ArrayList<>(slices.size());
    try {
      for (SequencePlan.Slice slice : slices) {
        found.add(stream.read(starts[slice.row()] + slice.start(), slice.length()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return found;
  }
}
