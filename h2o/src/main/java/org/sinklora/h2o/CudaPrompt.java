package org.sinklora.h2o;

import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaKernel;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;
import org.sinklora.lora.ModelConfig;

/**
 * Reads a prompt on a GPU, layer by layer and within a layer chunk by chunk, so that memory is
 * linear in its length; then puts what the policy keeps of the layer into the cache.
 */
final class CudaPrompt implements AutoCloseable {
  /** Tokens of a prompt that go through a layer together. */
  private static final int CHUNK = 2048;

  private static final String SOURCE = "prompt_attention.cu";
  private static final int BLOCK = 256;
  private static final int STORE_THREADS = 64;

  private final CudaDevice device;
  private final CudaShape shape;
  private final int layers;
  private final RopeAngles angles;
  private final CudaRowKernels kernels;
  private final CudaWeights weights;
  private final CudaBuffers buffers;
  private CudaSequence sequence;
  private int tokens;
  private int firstScoring;

  CudaPrompt(CudaDevice device, ModelConfig config, CudaRowKernels kernels, CudaWeights weights) {
    this.device = device;
    this.shape = CudaShape.of(config);
    this.layers = config.numHiddenLayers();
    this.angles = new RopeAngles(config);
    this.kernels = kernels;
    this.weights = weights;
    this.buffers = new CudaBuffers(device);
  }

  /**
   * Reads a prompt into the sequence's empty cache.
   *
   * @param logits [vocabulary], receives those of the last token
   * @param cancelled asked between chunks
   * @return whether it was read to its end
   */
  boolean read(
      CudaSequence newSequence, int[] prompt, CudaTensor logits, BooleanSupplier cancelled) {
    sequence = newSequence;
    tokens = prompt.length;
    KvCachePolicy policy = sequence.cache().policy();
    firstScoring = tokens - policy.scoringQueries(tokens);
    embed(prompt);
    turnTables();
    CudaTensor kept = null;
    if (policy.scoringQueries(tokens) == 0) {
      kept = upload(IntStream.range(0, shape.kvHeads()).mapToObj(h -> keep(null)).toList());
    }
    for (int layer = 0; layer < layers; layer++) {
      device.fill(scores(), 0);
      for (int from = 0; from < tokens; from += CHUNK) {
        if (cancelled.getAsBoolean()) {
          return false;
        }
        chunk(layer, from, Math.min(CHUNK, tokens - from));
      }
      store(layer, kept == null ? upload(keptByScore()) : kept);
    }
    sequence.cache().filled(policy.keptOf(tokens), tokens - 1);
    sequence.advance(tokens);
    head(logits);
    return true;
  }

  private CudaTensor activations(String name, long elements) {
    return buffers.get(name, kernels.type(), elements);
  }

  private CudaTensor floats(String name, long elements) {
    return buffers.get(name, ElementType.FLOAT32, elements);
  }

  private CudaTensor hidden(int from, int count) {
    return floats("hidden", (long) tokens * shape.hidden())
        .view((long) from * shape.hidden(), (long) count * shape.hidden());
  }

  private CudaTensor scores() {
    return floats("scores", (long) shape.kvHeads() * tokens);
  }

  private CudaTensor ofLayer(String name) {
    return activations(name, (long) shape.kvHeads() * tokens * shape.dim());
  }

  private CudaTensor angle(String name) {
    return floats(name, (long) tokens * shape.pairs());
  }

  private void embed(int[] prompt) {
    CudaTensor ids = buffers.get("ids", ElementType.INT32, tokens);
    device.upload(prompt, ids);
    kernels.embed(ids, 1, tokens, sequence.model().embedding(), hidden(0, tokens));
  }

  private void turnTables() {
    CudaTensor frequencies = floats("frequencies", shape.pairs());
    device.upload(angles.frequencies(tokens), 0, frequencies);
    long elements = (long) tokens * shape.pairs();
    kernel("prompt_angles")
        .launch(
            Math.toIntExact((elements + BLOCK - 1) / BLOCK),
            1,
            1,
            BLOCK,
            0,
            frequencies,
            angles.scaling(),
            shape.pairs(),
            tokens,
            angle("cos"),
            angle("sin"));
  }

  private CudaKernel kernel(String function) {
    return device.kernel(
        CudaPrompt.class, SOURCE, function, "DIM=" + shape.dim(), "SHARING=" + shape.sharing());
  }

  private CudaKernel typed(String function) {
    return kernel(function + "_" + kernels.typeName());
  }

  private void chunk(int layer, int from, int count) {
    CudaLayer weightsOf = sequence.model().layers().get(layer);
    CudaTensor x = hidden(from, count);
    CudaTensor normed = activations("normed", (long) count * shape.hidden());
    kernels.norm(weightsOf.inputNorm(), x, count, normed);
    take(linears("qkv", weightsOf.attentionInputs(), normed, count), from, count);
    CudaTensor attended = attend(from, count);
    if (shape.parallelResidual()) {
      // The MLP reads the layer's input: before attention is added to it.
      kernels.norm(weightsOf.postAttentionNorm(), x, count, normed);
    }
    addLinear(weightsOf.attentionOutput(), attended, count, x);
    if (!shape.parallelResidual()) {
      kernels.norm(weightsOf.postAttentionNorm(), x, count, normed);
    }
    List<CudaTensor> raised = linears("mlp", weightsOf.mlpInputs(), normed, count);
    if (shape.gelu() == null) {
      kernels.swiGlu(raised.get(0), raised.get(1));
    } else {
      kernels.gelu(raised.get(0), shape.gelu());
    }
    addLinear(weightsOf.mlpOutput(), raised.get(0), count, x);
  }

  private void addLinear(CudaLinear linear, CudaTensor in, int count, CudaTensor x) {
    kernels.add(linears("residual", List.of(linear), in, count).get(0), x);
  }

  /** The products of linears with one input, with bias and low-rank updates. */
  private List<CudaTensor> linears(
      String name, List<CudaLinear> linears, CudaTensor in, int count) {
    int ranks = Math.max(1, linears.stream().mapToInt(CudaLinear::rank).sum());
    CudaTensor u = floats("u", (long) count * ranks);
    kernels.loraDown(linears, in, count, u);
    CudaTensor[] outs = new CudaTensor[linears.size()];
    int rank = 0;
    for (int i = 0; i < outs.length; i++) {
      CudaLinear linear = linears.get(i);
      CudaMatrix weight = linear.weight();
      CudaTensor y = activations(name + i, (long) count * weight.out());
      device.matmul(
          in.view(0, count, weight.in()),
          false,
          weights.forProduct(weight, buffers),
          true,
          1,
          0,
          y.view(0, count, weight.out()));
      if (linear.hasExtra()) {
        // Of a linear without an update nothing of u is read.
        long left = (long) count * ranks - rank;
        kernels.loraAdd(linear, linear.rank() == 0 ? u : u.view(rank, left), ranks, count, y);
      }
      rank += linear.rank();
      outs[i] = y;
    }
    return List.of(outs);
  }

  /** Rotates queries and keys, and puts keys and values where all queries see them. */
  private void take(List<CudaTensor> qkv, int from, int count) {
    boolean apart = qkv.size() > 1;
    CudaTensor q = qkv.get(0);
    CudaTensor k = apart ? qkv.get(1) : fused(q, shape.keyAt());
    CudaTensor v = apart ? qkv.get(2) : fused(q, shape.valueAt());
    int kvRow = apart ? shape.kvHeads() * shape.dim() : shape.qkvSize();
    typed("prompt_take")
        .launch(
            count,
            1,
            1,
            BLOCK,
            0,
            q,
            k,
            v,
            apart ? shape.attendedSize() : shape.qkvSize(),
            kvRow,
            shape.headStride(),
            shape.kvHeads(),
            from,
            tokens,
            shape.pairs(),
            angle("cos"),
            angle("sin"),
            queries(count),
            ofLayer("keys"),
            ofLayer("values"),
            sequence.cache().isRanked() ? ofLayer("unturned") : null);
  }

  private static CudaTensor fused(CudaTensor qkv, int at) {
    return qkv.view(at, qkv.size() - at);
  }

  private CudaTensor queries(int count) {
    return activations("queries", (long) count * shape.attendedSize());
  }

  /**
   * How attention is launched.
   *
   * @param suffix of the kernels' names
   * @param tile queries or keys of a block
   * @param threads of a block
   * @param sharedBytes of a block
   */
  private record Tiling(String suffix, int tile, int threads, int sharedBytes) {
    int blocks(int rows) {
      return (rows + tile - 1) / tile;
    }
  }

  private Tiling tiling() {
    // Rows in shared memory are filled up so that they begin in different banks.
    if (kernels.type() == ElementType.BFLOAT16 && shape.dim() % 16 == 0) {
      return new Tiling("tensor", 64, 128, 3 * 64 * (shape.dim() + 8) * Short.BYTES);
    }
    return new Tiling(kernels.typeName(), 32, BLOCK, 2 * 32 * (shape.dim() + 4) * Float.BYTES);
  }

  private CudaTensor attend(int from, int count) {
    CudaTensor attended = activations("attended", (long) count * shape.attendedSize());
    CudaTensor logSumExp = floats("log_sum_exp", (long) count * shape.heads());
    Tiling tiling = tiling();
    kernel("prompt_attend_" + tiling.suffix())
        .launch(
            tiling.blocks(count),
            shape.heads(),
            1,
            tiling.threads(),
            tiling.sharedBytes(),
            queries(count),
            ofLayer("keys"),
            ofLayer("values"),
            from,
            count,
            tokens,
            attended,
            logSumExp);
    if (firstScoring < from + count) {
      kernel("prompt_scores_" + tiling.suffix())
          .launch(
              tiling.blocks(from + count),
              shape.kvHeads(),
              1,
              tiling.threads(),
              tiling.sharedBytes(),
              queries(count),
              ofLayer("keys"),
              from,
              count,
              tokens,
              firstScoring,
              logSumExp,
              scores());
    }
    return attended;
  }

  private int[] keep(double[] scores) {
    return sequence.cache().policy().keep(scores, tokens);
  }

  /** What each kv head keeps, by the scores of the layer that has just been read. */
  private List<int[]> keptByScore() {
    float[] all = new float[Math.multiplyExact(shape.kvHeads(), tokens)];
    device.download(scores(), all, 0);
    return IntStream.range(0, shape.kvHeads())
        .parallel()
        .mapToObj(
            head -> {
              double[] own = new double[tokens];
              for (int i = 0; i < tokens; i++) {
                own[i] = all[head * tokens + i];
              }
              return keep(own);
            })
        .toList();
  }

  private CudaTensor upload(List<int[]> kept) {
    int[] all = kept.stream().flatMapToInt(Arrays::stream).toArray();
    CudaTensor tensor = buffers.get("kept", ElementType.INT32, all.length);
    device.upload(all, tensor);
    return tensor;
  }

  private void store(int layer, CudaTensor kept) {
    CudaCache cache = sequence.cache();
    boolean rounded = cache.precision() == CachePrecision.BFLOAT16;
    kernel("prompt_store_%s_to_%s".formatted(kernels.typeName(), rounded ? "bfloat16" : "float32"))
        .launch(
            cache.policy().keptOf(tokens),
            shape.kvHeads(),
            1,
            STORE_THREADS,
            0,
            ofLayer(cache.isRanked() ? "unturned" : "keys"),
            ofLayer("values"),
            cache.scores() == null ? null : scores(),
            tokens,
            kept,
            layer,
            cache.slotCount(),
            cache.keys(),
            cache.values(),
            cache.positions(),
            cache.scores(),
            cache.ranks(),
            cache.freeSlots());
  }

  private void head(CudaTensor logits) {
    CudaTensor normed = activations("normed", shape.hidden());
    kernels.norm(sequence.model().finalNorm(), hidden(tokens - 1, 1), 1, normed);
    List<CudaLinear> head = List.of(sequence.model().head());
    CudaTensor extra = null;
    if (head.get(0).hasExtra()) {
      CudaTensor u = floats("u", Math.max(1, head.get(0).rank()));
      kernels.loraDown(head, normed, 1, u);
      extra = floats("head_extra", logits.size());
      kernels.loraUp(head, u, 1, extra);
    }
    kernels.linear(head, CudaRowKernels.Mode.STORE, normed, 1, extra, logits);
  }

  /** Bytes of the buffers that are kept for the next prompt. */
  long bytes() {
    return buffers.bytes();
  }

  @Override
  public void close() {
    buffers.close();
  }
}
