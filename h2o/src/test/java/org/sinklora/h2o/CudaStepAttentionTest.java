package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;
import org.sinklora.lora.ModelConfig;

/**
 * The attention of a step against plain loops in double precision, over many steps with every
 * policy in one batch: outputs, kept positions, scores, and the places of ranked keys.
 */
@EnabledIf(GpuPresent.CONDITION)
class CudaStepAttentionTest {
  private static final int STEPS = 90;
  private static final int VOCABULARY = 8;
  private static final List<String> POLICIES =
      List.of(
          "full", "h2o:heavy=20,recent=13", "streaming:sinks=3,recent=24", "h2o:heavy=1,recent=50");

  /** One kv head of one layer of one sequence, in plain Java. */
  private static final class PlainHead {
    private final CacheSlots slots = new CacheSlots(STEPS + 1, true, true);
    private final float[][] keys = new float[STEPS + 1][];
    private final float[][] values = new float[STEPS + 1][];
  }

  private static ModelConfig config(int dim, int sharing, int kvHeads) {
    ObjectNode json = new JsonMapper().createObjectNode();
    json.put("model_type", "llama");
    json.put("vocab_size", VOCABULARY);
    json.put("hidden_size", 64);
    json.put("intermediate_size", 64);
    json.put("num_hidden_layers", 2);
    json.put("num_attention_heads", sharing * kvHeads);
    json.put("num_key_value_heads", kvHeads);
    json.put("head_dim", dim);
    return ModelConfig.parse(json, "test");
  }

  @ParameterizedTest
  @CsvSource({
    "16, 2, 2",
    "32, 1, 4",
    "64, 4, 1",
    "96, 3, 2",
    "128, 1, 2",
    "128, 8, 1",
    "128, 12, 1",
    "256, 2, 1"
  })
  void everyPolicyInOneBatch(int dim, int sharing, int kvHeads) {
    ModelConfig config = config(dim, sharing, kvHeads);
    for (CachePrecision precision : List.of(CachePrecision.FLOAT32, CachePrecision.BFLOAT16)) {
      for (RopePositions rope : RopePositions.values()) {
        try (CudaDevice device = CudaDevice.open(0, CudaPrecision.FLOAT32)) {
          new Comparison(device, config, precision, rope).run();
        }
      }
    }
  }

  private static final class Comparison {
    private final CudaDevice device;
    private final CudaShape shape;
    private final RopeAngles angles;
    private final CachePrecision precision;
    private final RopePositions rope;
    private final Random random = new Random(5);
    private final KvCachePolicy[] policies;
    private final CudaSequence[] batch;
    private final PlainHead[][] plain;

    Comparison(
        CudaDevice device, ModelConfig config, CachePrecision precision, RopePositions rope) {
      this.device = device;
      this.shape = CudaShape.of(config);
      this.angles = new RopeAngles(config);
      this.precision = precision;
      this.rope = rope;
      this.policies = POLICIES.stream().map(KvCachePolicy::parse).toArray(KvCachePolicy[]::new);
      this.batch = new CudaSequence[policies.length];
      this.plain = new PlainHead[policies.length][2 * shape.kvHeads()];
      for (int i = 0; i < batch.length; i++) {
        // Nothing has been read: all tokens come through steps.
        CacheSpec spec = new CacheSpec(policies[i], precision, rope, 0, STEPS);
        CudaCache cache = new CudaCache(device, shape, 2, spec);
        int[] none = new int[2 * shape.kvHeads()];
        Arrays.fill(none, -1);
        device.upload(none, cache.freeSlots());
        batch[i] = new CudaSequence(null, cache, Integer.MAX_VALUE);
        Arrays.setAll(plain[i], head -> new PlainHead());
      }
    }

    void run() {
      int rows = batch.length;
      CudaRowKernels kernels = new CudaRowKernels(device);
      CudaTensor state = device.allocate(ElementType.INT32, (long) rows * CudaCache.ROW_INTS);
      CudaTensor frequencies = device.allocate(rows, shape.pairs());
      CudaTensor attended = device.allocate(rows, shape.attendedSize());
      CudaTensor logits = device.allocate(rows, VOCABULARY);
      try (CudaStepAttention attention =
          new CudaStepAttention(device, shape, angles, kernels, rows)) {
        CudaStepAttention.Launch launch = attention.prepare(batch, rows);
        putRows(state, frequencies);
        for (int step = 0; step < STEPS; step++) {
          attention.start(state, frequencies, rows);
          for (int layer = 0; layer < 2; layer++) {
            float[] qkv = new float[rows * shape.qkvSize()];
            for (int i = 0; i < qkv.length; i++) {
              qkv[i] = (float) random.nextGaussian();
            }
            device.upload(qkv, 0, attention.qkv());
            float[] out = new float[rows * shape.attendedSize()];
            Arrays.fill(out, Float.NaN);
            device.upload(out, 0, attended);
            attention.run(state, layer, rows, launch, attended);
            device.download(attended, out, 0);
            for (int row = 0; row < rows; row++) {
              for (int head = 0; head < shape.kvHeads(); head++) {
                checkHead(step, layer, row, head, qkv, out);
              }
            }
          }
          attention.finish(state, logits, VOCABULARY, rows);
          for (CudaSequence sequence : batch) {
            sequence.cache().stepped(sequence.position());
            sequence.advance(1);
          }
        }
        checkCaches();
      }
      for (CudaSequence sequence : batch) {
        sequence.cache().close();
      }
    }

    private void putRows(CudaTensor state, CudaTensor frequencies) {
      int[] rows = new int[batch.length * CudaCache.ROW_INTS];
      float[] all = new float[batch.length * shape.pairs()];
      for (int i = 0; i < batch.length; i++) {
        batch[i].cache().writeRow(0, 0, rows, i * CudaCache.ROW_INTS);
        System.arraycopy(angles.frequencies(1), 0, all, i * shape.pairs(), shape.pairs());
      }
      device.upload(rows, state);
      device.upload(all, 0, frequencies);
    }

    private float[] head(float[] qkv, int row, int at, int head) {
      int from = row * shape.qkvSize() + at + head * shape.headStride();
      return Arrays.copyOfRange(qkv, from, from + shape.dim());
    }

    private double[] turned(float[] x, int place) {
      float[] cos = new float[shape.pairs()];
      float[] sin = new float[shape.pairs()];
      angles.fill(angles.frequencies(place + 1), place, cos, sin, 0);
      double[] y = new double[x.length];
      for (int c = 0; c < x.length; c++) {
        y[c] = x[c];
      }
      for (int i = 0; i < cos.length; i++) {
        double a = x[i];
        double b = x[i + cos.length];
        y[i] = a * cos[i] - b * sin[i];
        y[i + cos.length] = b * cos[i] + a * sin[i];
      }
      return y;
    }

    private float stored(double value) {
      float single = (float) value;
      if (precision == CachePrecision.FLOAT32) {
        return single;
      }
      int bits = Float.floatToRawIntBits(single);
      int rounded = bits + 0x7FFF + ((bits >>> 16) & 1);
      return Float.intBitsToFloat(rounded & 0xFFFF0000);
    }

    private void checkHead(int position, int layer, int row, int head, float[] qkv, float[] out) {
      PlainHead cache = plain[row][layer * shape.kvHeads() + head];
      CacheSlots slots = cache.slots;
      boolean ranked = rope == RopePositions.CACHE;
      int place = ranked ? slots.alive() : position;
      int slot = slots.append(position, 0);
      float[] key = head(qkv, row, shape.keyAt(), head);
      double[] keyTurned = ranked ? null : turned(key, place);
      cache.keys[slot] = new float[shape.dim()];
      cache.values[slot] = head(qkv, row, shape.valueAt(), head);
      for (int c = 0; c < shape.dim(); c++) {
        cache.keys[slot][c] = stored(ranked ? key[c] : keyTurned[c]);
        cache.values[slot][c] = stored(cache.values[slot][c]);
      }
      for (int g = 0; g < shape.sharing(); g++) {
        int queryHead = head * shape.sharing() + g;
        double[] q = turned(head(qkv, row, shape.queryAt(), queryHead), place);
        double[] weights = weights(cache, q, ranked);
        float[] single = new float[weights.length];
        double[] expected = new double[shape.dim()];
        for (int s = 0; s < weights.length; s++) {
          single[s] = (float) weights[s];
          for (int c = 0; c < shape.dim(); c++) {
            expected[c] += weights[s] * cache.values[s][c];
          }
        }
        slots.addScores(single, 0, 1);
        int at = row * shape.attendedSize() + queryHead * shape.dim();
        for (int c = 0; c < shape.dim(); c++) {
          assertEquals(
              expected[c],
              out[at + c],
              // Here and there a component of a key is rounded to the other neighbour.
              precision == CachePrecision.FLOAT32 ? 1e-4 : 2e-3,
              "%s %s %s: step %d, layer %d, row %d, head %d, component %d"
                  .formatted(shape, precision, rope, position, layer, row, queryHead, c));
        }
      }
      int victim = policies[row].victim(slots);
      if (victim != KvCachePolicy.NONE) {
        slots.evict(victim);
      }
    }

    private double[] weights(PlainHead cache, double[] q, boolean ranked) {
      double[] weights = new double[cache.slots.used()];
      double sum = 0;
      for (int s = 0; s < weights.length; s++) {
        double dot = 0;
        double[] key = ranked ? turned(cache.keys[s], cache.slots.ranks()[s]) : null;
        for (int c = 0; c < q.length; c++) {
          dot += q[c] * (ranked ? key[c] : cache.keys[s][c]);
        }
        weights[s] = Math.exp(dot / Math.sqrt(q.length));
        sum += weights[s];
      }
      for (int s = 0; s < weights.length; s++) {
        weights[s] /= sum;
      }
      return weights;
    }

    private void checkCaches() {
      for (int row = 0; row < batch.length; row++) {
        for (int layer = 0; layer < 2; layer++) {
          for (int head = 0; head < shape.kvHeads(); head++) {
            CacheSlots expected = plain[row][layer * shape.kvHeads() + head].slots;
            CacheSlots actual = batch[row].cache().slots(layer, head);
            String what = policies[row] + ", layer " + layer + ", head " + head;
            assertEquals(expected.alive(), actual.alive(), what);
            assertEquals(expected.lastPosition(), actual.lastPosition(), what);
            assertArrayEquals(alive(expected), alive(actual), what);
            for (int s = 0; s < expected.used(); s++) {
              if (policies[row].scoresDecoding() && expected.isAlive(s)) {
                assertEquals(expected.position(s), actual.position(s), what);
                assertEquals(expected.score(s), actual.score(s), 1e-3, what);
              }
            }
          }
        }
      }
    }

    private static int[] alive(CacheSlots slots) {
      return IntStream.range(0, slots.used())
          .filter(slots::isAlive)
          .map(slots::position)
          .sorted()
          .toArray();
    }
  }
}
