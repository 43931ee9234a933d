package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.List;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaKernel;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/**
 * Launches of a decoding step's attention: append, attend, score, evict; see decode_attention.cu.
 */
final class CudaStepAttention implements AutoCloseable {
  private static final String SOURCE = "decode_attention.cu";
  private static final int ATTEND_THREADS = 128;

  /** Blocks of the attention that a multiprocessor holds. */
  private static final int RESIDENT_BLOCKS = 4;

  private static final int MOST_SPLITS = 64;

  /** Slots below which a split of its own does not pay. */
  private static final int SPLIT_SLOTS = 64;

  /** Threads that look for the slot to free. */
  private static final int SCORE_THREADS = 1024;

  private static final int FINISH_THREADS = 1024;
  private static final int START_THREADS = 128;
  private static final int WARP = 32;

  private final CudaDevice device;
  private final CudaShape shape;
  private final RopeAngles angles;
  private final CudaRowKernels kernels;
  private final int maxBatch;
  private final List<CudaTensor> own = new ArrayList<>();
  private final CudaTensor qkv;
  private final CudaTensor cosines;
  private final CudaTensor sines;
  private final CudaTensor partial;
  private final CudaTensor maximum;
  private final CudaTensor total;

  /** Kept for good: graphs know the old ones. */
  private CudaTensor raw;

  private CudaTensor placeCosines;
  private CudaTensor placeSines;
  private int places;

  /**
   * What decides the launches beside the number of rows.
   *
   * @param kinds of caches there are, a bit for each
   * @param splits blocks that share a kv head
   * @param counts whether a policy scores positions
   * @param rawSlots slots of a head's scores of this step; 0 if no policy counts
   * @param places of the table that ranked keys are rotated by; 0 without any
   */
  record Launch(int kinds, int splits, boolean counts, int rawSlots, int places) {}

  CudaStepAttention(
      CudaDevice device, CudaShape shape, RopeAngles angles, CudaRowKernels kernels, int maxBatch) {
    this.device = device;
    this.shape = shape;
    this.angles = angles;
    this.kernels = kernels;
    this.maxBatch = maxBatch;
    this.qkv = allocate((long) maxBatch * shape.qkvSize());
    this.cosines = allocate((long) maxBatch * shape.pairs());
    this.sines = allocate((long) maxBatch * shape.pairs());
    // With one row there are the most splits, with all rows the most heads.
    long parts = (long) maxBatch * shape.heads() * splits(maxBatch);
    for (int rows = 1; rows < maxBatch; rows++) {
      parts = Math.max(parts, (long) rows * shape.heads() * splits(rows));
    }
    this.partial = allocate(parts * shape.dim());
    this.maximum = allocate(parts);
    this.total = allocate(parts);
  }

  private CudaTensor allocate(long elements) {
    CudaTensor tensor = device.allocate(ElementType.FLOAT32, elements);
    own.add(tensor);
    return tensor;
  }

  private int splits(int rows) {
    int blocks = rows * shape.kvHeads() * (shape.sharing() / shape.together());
    int wave = device.info().multiprocessors() * RESIDENT_BLOCKS;
    return Math.max(1, Math.min(MOST_SPLITS, wave / blocks));
  }

  /** Queries, keys and values of every row, [maxBatch, qkvSize] float32. */
  CudaTensor qkv() {
    return qkv;
  }

  /** Makes room for a batch, and says what its launches will be. */
  Launch prepare(CudaSequence[] batch, int count) {
    int kinds = 0;
    int most = 0;
    int rawSlots = 0;
    int ranked = 0;
    for (int i = 0; i < count; i++) {
      CudaCache cache = batch[i].cache();
      kinds |= 1 << cache.kind();
      most = Math.max(most, cache.slotCount());
      if (cache.policy().scoresDecoding()) {
        rawSlots = Math.max(rawSlots, cache.slotCount());
      }
      if (cache.isRanked()) {
        ranked = Math.max(ranked, cache.slotCount());
      }
    }
    long needed = (long) maxBatch * shape.heads() * rawSlots;
    if (rawSlots > 0 && (raw == null || raw.size() < needed)) {
      raw = allocate(needed);
    }
    if (ranked > places) {
      makePlaces(Math.max(ranked, 2 * places));
    }
    int useful = (most + SPLIT_SLOTS - 1) / SPLIT_SLOTS;
    return new Launch(
        kinds, Math.min(splits(count), useful), rawSlots > 0, rawSlots, ranked > 0 ? places : 0);
  }

  private void makePlaces(int newPlaces) {
    int pairs = shape.pairs();
    float[] cos = new float[Math.multiplyExact(newPlaces, pairs)];
    float[] sin = new float[cos.length];
    for (int place = 0; place < newPlaces; place++) {
      angles.fill(angles.frequencies(place + 1), place, cos, sin, place * pairs);
    }
    placeCosines = allocate(cos.length);
    placeSines = allocate(sin.length);
    device.upload(cos, 0, placeCosines);
    device.upload(sin, 0, placeSines);
    places = newPlaces;
  }

  private CudaKernel kernel(String function) {
    return device.kernel(CudaStepAttention.class, SOURCE, function, shape.defines());
  }

  /** Angles of the rows' tokens. */
  void start(CudaTensor rows, CudaTensor frequencies, int count) {
    kernel("start_rows")
        .launch(
            count,
            1,
            1,
            START_THREADS,
            0,
            rows,
            frequencies,
            angles.scaling(),
            shape.pairs(),
            cosines,
            sines);
  }

  /**
   * Attention of one layer, from {@link #qkv}.
   *
   * @param attended [rows, heads · dim], of the device's precision
   */
  void run(CudaTensor rows, int layer, int count, Launch launch, CudaTensor attended) {
    int parts = shape.sharing() / shape.together();
    for (int kind = 0; kind < Integer.SIZE; kind++) {
      if ((launch.kinds() & 1 << kind) != 0) {
        kernel("attend_" + CudaCache.kernelOf(kind))
            .launch(
                launch.splits(),
                shape.kvHeads() * parts,
                count,
                ATTEND_THREADS,
                0,
                rows,
                layer,
                qkv,
                shape.qkvSize(),
                shape.queryAt(),
                shape.keyAt(),
                shape.valueAt(),
                shape.headStride(),
                shape.pairs(),
                cosines,
                sines,
                placeCosines,
                placeSines,
                partial,
                maximum,
                total,
                raw,
                launch.rawSlots());
      }
    }
    kernel("combine_" + kernels.typeName())
        .launch(
            shape.kvHeads(),
            count,
            1,
            launch.counts() ? SCORE_THREADS : combineThreads(),
            0,
            rows,
            layer,
            partial,
            maximum,
            total,
            launch.splits(),
            raw,
            launch.rawSlots(),
            attended);
  }

  private int combineThreads() {
    int wanted = shape.sharing() * shape.dim();
    return Math.min(SCORE_THREADS, (wanted + WARP - 1) / WARP * WARP);
  }

  /** The most probable tokens, and the rows of the next step. */
  void finish(CudaTensor rows, CudaTensor logits, int vocabulary, int count) {
    kernel("finish_rows").launch(count, 1, 1, FINISH_THREADS, 0, rows, logits, vocabulary);
  }

  @Override
  public void close() {
    own.forEach(CudaTensor::close);
  }
}
