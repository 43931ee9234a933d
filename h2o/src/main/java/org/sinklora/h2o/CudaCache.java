package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.List;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/**
 * The cache of one sequence on a GPU. It is allocated whole, for the budget or for all the tokens
 * that were announced: kernels hold its addresses.
 *
 * <p>Appending, scoring and evicting happen on the GPU; the host counts along, since how many slots
 * are in use does not depend on what is in them.
 */
final class CudaCache implements KvCache {
  /** Ints of a row of the kernels: {@code struct Row} of decode_attention.cu. */
  static final int ROW_INTS = 24;

  private static final int NO_BUDGET = Integer.MAX_VALUE;
  private static final int KIND_BFLOAT16 = 1;
  private static final int KIND_RANKED = 2;
  private static final int POLICY_H2O = 1;
  private static final int POLICY_STREAMING = 2;

  private final CudaDevice device;
  private final CudaShape shape;
  private final int layers;
  private final KvCachePolicy policy;
  private final CachePrecision precision;
  private final RopePositions rope;
  private final int slots;
  private final int maxUsed;
  private final List<CudaTensor> own = new ArrayList<>();
  private final CudaTensor keys;
  private final CudaTensor values;
  private final CudaTensor positions;
  private final CudaTensor scores;
  private final CudaTensor ranks;
  private final CudaTensor freeSlots;
  private int used;
  private int lastPosition = -1;
  private Runnable whenClosed = () -> {};

  CudaCache(CudaDevice device, CudaShape shape, int layers, CacheSpec spec) {
    this.device = device;
    this.shape = shape;
    this.layers = layers;
    this.policy = spec.policy();
    this.precision = spec.precision();
    this.rope = spec.rope();
    this.slots = slots(spec);
    this.maxUsed = policy.capacity() == NO_BUDGET ? NO_BUDGET : policy.capacity() + 1;
    ElementType type =
        precision == CachePrecision.BFLOAT16 ? ElementType.BFLOAT16 : ElementType.FLOAT32;
    long heads = (long) layers * shape.kvHeads();
    try {
      this.keys = allocate(type, heads * slots * shape.dim());
      this.values = allocate(type, heads * slots * shape.dim());
      this.positions = allocate(ElementType.INT32, heads * slots);
      this.scores = isScored(spec) ? allocate(ElementType.FLOAT32, heads * slots) : null;
      this.ranks = rope == RopePositions.CACHE ? allocate(ElementType.INT32, heads * slots) : null;
      this.freeSlots = allocate(ElementType.INT32, heads);
    } catch (RuntimeException | Error e) {
      own.forEach(CudaTensor::close);
      throw e;
    }
  }

  private CudaTensor allocate(ElementType type, long elements) {
    CudaTensor tensor = device.allocate(type, elements);
    own.add(tensor);
    return tensor;
  }

  private static boolean isScored(CacheSpec spec) {
    return spec.policy().scoresDecoding() || spec.policy().scoringQueries(spec.promptTokens()) > 0;
  }

  /** One more than stays: the new token attends before another one goes. */
  private static int slots(CacheSpec spec) {
    KvCachePolicy policy = spec.policy();
    if (policy.capacity() != NO_BUDGET) {
      return Math.addExact(policy.capacity(), 1);
    }
    long added = Math.max(0, spec.tokens() - spec.promptTokens());
    return Math.toIntExact(Math.max(1, policy.keptOf(spec.promptTokens()) + added));
  }

  /** Bytes that a cache takes. */
  static long bytes(CudaShape shape, int layers, CacheSpec spec) {
    long heads = (long) layers * shape.kvHeads();
    long component = spec.precision() == CachePrecision.BFLOAT16 ? 2 : 4;
    long slot = 2 * component * shape.dim() + Integer.BYTES;
    slot += isScored(spec) ? Float.BYTES : 0;
    slot += spec.rope() == RopePositions.CACHE ? Integer.BYTES : 0;
    return heads * (slots(spec) * slot + Integer.BYTES);
  }

  @Override
  public KvCachePolicy policy() {
    return policy;
  }

  @Override
  public RopePositions rope() {
    return rope;
  }

  CachePrecision precision() {
    return precision;
  }

  @Override
  public int layerCount() {
    return layers;
  }

  @Override
  public int kvHeads() {
    return shape.kvHeads();
  }

  /** Slots of a head. */
  int slotCount() {
    return slots;
  }

  /** Slots that hold a position, or held the one evicted last; the same in every head. */
  int used() {
    return used;
  }

  /** Whether a slot in use is free for the next token. */
  boolean hasHole() {
    return used == maxUsed;
  }

  boolean isRanked() {
    return ranks != null;
  }

  CudaTensor keys() {
    return keys;
  }

  CudaTensor values() {
    return values;
  }

  CudaTensor positions() {
    return positions;
  }

  /** Null under a policy without scores. */
  CudaTensor scores() {
    return scores;
  }

  /** Null unless keys are rotated to their place. */
  CudaTensor ranks() {
    return ranks;
  }

  CudaTensor freeSlots() {
    return freeSlots;
  }

  /** The GPU has filled the slots [0, kept) of every head. */
  void filled(int kept, int newestPosition) {
    used = kept;
    lastPosition = newestPosition;
  }

  /** The GPU has taken in a token, and evicted one if the budget was exceeded. */
  void stepped(int position) {
    used = hasHole() ? used : used + 1;
    lastPosition = position;
  }

  /** Which of the attention kernels reads the cache. */
  int kind() {
    return (precision == CachePrecision.BFLOAT16 ? KIND_BFLOAT16 : 0)
        | (isRanked() ? KIND_RANKED : 0);
  }

  static String kernelOf(int kind) {
    return ((kind & KIND_BFLOAT16) != 0 ? "bfloat16" : "float32")
        + ((kind & KIND_RANKED) != 0 ? "_ranked" : "");
  }

  /** The place at which the next token is rotated. */
  int nextRotation(int position) {
    return isRanked() ? nextPlace(0) : position;
  }

  /** Writes the row that the kernels read; fields as in {@code struct Row}. */
  void writeRow(int token, int position, int[] rows, int at) {
    rows[at] = token;
    rows[at + 1] = position;
    rows[at + 2] = used;
    rows[at + 3] = maxUsed;
    rows[at + 4] = 0;
    rows[at + 5] = 0;
    rows[at + 6] = 0;
    if (policy instanceof H2oCache h2o) {
      rows[at + 4] = POLICY_H2O;
      rows[at + 5] = h2o.recent().resolve(0);
    } else if (policy instanceof StreamingCache streaming) {
      rows[at + 4] = POLICY_STREAMING;
      rows[at + 5] = streaming.recent().resolve(0);
      rows[at + 6] = streaming.sinks().resolve(0);
    }
    rows[at + 7] = slots;
    rows[at + 8] = kind();
    rows[at + 9] = 0;
    CudaTensor[] pointers = {keys, values, positions, scores, ranks, freeSlots};
    for (int i = 0; i < pointers.length; i++) {
      long address = pointers[i] == null ? 0 : pointers[i].address();
      rows[at + 10 + 2 * i] = (int) address;
      rows[at + 11 + 2 * i] = (int) (address >>> Integer.SIZE);
    }
    rows[at + 22] = 0;
    rows[at + 23] = 0;
  }

  @Override
  public CacheSlots slots(int layer, int head) {
    long index = (long) layer * shape.kvHeads() + head;
    int[] taken = device.downloadInts(positions.view(index * slots, used));
    double[] weights = null;
    if (scores != null) {
      float[] values32 = new float[used];
      device.download(scores.view(index * slots, used), values32, 0);
      weights = new double[used];
      for (int i = 0; i < used; i++) {
        weights[i] = values32[i];
      }
    }
    int free = hasHole() ? device.downloadInts(freeSlots.view(index, 1))[0] : -1;
    return CacheSlots.of(taken, weights, free, lastPosition);
  }

  @Override
  public void reserve() {
    if (!hasHole() && used >= slots) {
      throw new CacheLimitException(
          "The cache was made for %d positions and is full; announce more tokens with the request"
              .formatted(slots));
    }
  }

  @Override
  public int nextPlace(int ahead) {
    int alive = hasHole() ? used - 1 : used;
    return Math.min(alive + ahead, policy.capacity());
  }

  @Override
  public long plannedBytes() {
    return own.stream().mapToLong(CudaTensor::bytes).sum();
  }

  @Override
  public long residentBytes() {
    return plannedBytes();
  }

  /** What is to happen once the memory is free. */
  void whenClosed(Runnable action) {
    whenClosed = action;
  }

  @Override
  public void close() {
    own.forEach(CudaTensor::close);
    whenClosed.run();
    whenClosed = () -> {};
  }
}
