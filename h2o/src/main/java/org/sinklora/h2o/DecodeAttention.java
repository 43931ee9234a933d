package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.RowKernels;
import org.sinklora.compute.Scratch;

/**
 * Attention as decoding is defined. For each kv head of a row: append, attend over what is alive,
 * score, evict.
 *
 * <p>As a stage by itself every row is the newest token of a sequence of its own; {@linkplain
 * #inOrder in order} the rows are successive tokens of one sequence.
 */
final class DecodeAttention implements AttentionStage {
  private final DecoderShape shape;
  private final DecoderPass pass;
  private final CacheAttention attention;
  private final RowKernels kernels = RowKernels.best();
  private final int threads;
  private final int pairs;
  private final float[] cos;
  private final float[] sin;
  private final Sequence[] sequences;
  private final int[] positions;
  private final HeadWork[] work;
  private int count;

  DecodeAttention(
      DecoderShape shape,
      DecoderPass pass,
      CacheAttention attention,
      int pairs,
      int threads,
      int maxRows) {
    this.shape = shape;
    this.pass = pass;
    this.attention = attention;
    this.pairs = pairs;
    this.threads = threads;
    this.cos = new float[maxRows * pairs];
    this.sin = new float[maxRows * pairs];
    this.sequences = new Sequence[maxRows];
    this.positions = new int[maxRows];
    this.work = new HeadWork[threads];
    Arrays.setAll(work, i -> new HeadWork());
  }

  void clear() {
    Arrays.fill(sequences, 0, count, null);
    count = 0;
  }

  /** Adds a row, after the cache has made room for it. */
  void add(Sequence sequence, RopeAngles angles) {
    add(sequence, 0, angles);
  }

  /**
   * The same for a token that comes later.
   *
   * @param ahead tokens of the sequence that are read before it
   */
  void add(Sequence sequence, int ahead, RopeAngles angles) {
    SequenceCache cache = sequence.cache();
    int position = sequence.position() + ahead;
    int rotated = cache.rope() == RopePositions.CACHE ? cache.nextPlace(ahead) : position;
    angles.fill(angles.frequencies(rotated + 1), rotated, cos, sin, count * pairs);
    sequences[count] = sequence;
    positions[count] = position;
    count++;
  }

  /** For rows that are successive tokens of one sequence: every head takes them in their order. */
  AttentionStage inOrder() {
    return (layer, member, own) -> {
      for (int head = member; head < shape.config().numKeyValueHeads(); head += threads) {
        for (int row = 0; row < count; row++) {
          head(layer, row, head, work[member]);
        }
      }
    };
  }

  @Override
  public void run(int layer, int member, Scratch own) {
    int kvHeads = shape.config().numKeyValueHeads();
    int items = count * kvHeads;
    int end = (int) ((long) items * (member + 1) / threads);
    for (int item = (int) ((long) items * member / threads); item < end; item++) {
      head(layer, item / kvHeads, item % kvHeads, work[member]);
    }
  }

  private void head(int layer, int row, int head, HeadWork own) {
    Sequence sequence = sequences[row];
    SequenceCache cache = sequence.cache();
    KvCachePolicy policy = cache.policy();
    LayerCache layerCache = cache.layer(layer);
    float[] qkv = pass.qkv();
    int stride = shape.headStride();
    int group = shape.group();
    int first = row * shape.qkvSize();
    int queryAt = first + shape.queryAt() + head * group * stride;
    int keyAt = first + shape.keyAt() + head * stride;
    int valueAt = first + shape.valueAt() + head * stride;
    for (int g = 0; g < group; g++) {
      kernels.rotate(qkv, queryAt + g * stride, pairs, cos, sin, row * pairs, 1);
    }
    if (cache.rope() == RopePositions.ORIGINAL) {
      kernels.rotate(qkv, keyAt, pairs, cos, sin, row * pairs, 1);
    }
    layerCache.append(head, positions[row], 0, qkv, keyAt, qkv, valueAt);
    attention.attend(
        layerCache,
        head,
        qkv,
        queryAt,
        stride,
        cache.rope(),
        policy.scoresDecoding(),
        pass.attended(),
        row * shape.attendedSize() + head * group * shape.config().headDim(),
        own);
    CacheSlots slots = layerCache.head(head);
    int victim = policy.victim(slots);
    if (victim != KvCachePolicy.NONE) {
      slots.evict(victim);
    }
  }
}
