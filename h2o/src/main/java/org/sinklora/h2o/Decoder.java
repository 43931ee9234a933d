package org.sinklora.h2o;

import java.util.Arrays;
import java.util.function.BooleanSupplier;
import org.sinklora.compute.CpuTeam;
import org.sinklora.compute.RowKernels;
import org.sinklora.compute.Scratch;

/**
 * Reads prompts and decodes batches of sequences. All buffers are allocated once; a decoding step
 * allocates nothing. Used by one thread at a time.
 */
final class Decoder implements AutoCloseable {
  /** Tokens of a prompt that go through a layer together. */
  private static final int CHUNK = 256;

  private final DecoderShape shape;
  private final CpuTeam team;
  private final Scratch[] scratch;
  private final RopeAngles angles;
  private final RankRotation rotation;
  private final RowKernels kernels = RowKernels.best();
  private final DecoderPass pass;
  private final DecodeAttention decodeAttention;
  private final PromptBuffers prompt;
  private final PromptAttention promptAttention;
  private final PromptContinuation continuation;
  private final float[] stepHidden;
  private final CpuTeam.Task stepTask = this::step;
  private Sequence[] batch;
  private int batchSize;

  /**
   * @param maxBatch sequences of a step, at most
   */
  Decoder(DecoderShape shape, int threads, int maxBatch) {
    this.shape = shape;
    this.team = new CpuTeam(threads);
    this.scratch = new Scratch[threads];
    Arrays.setAll(scratch, i -> new Scratch());
    this.angles = new RopeAngles(shape.config());
    this.rotation = new RankRotation(angles);
    int rows = Math.max(CHUNK, maxBatch);
    this.pass = new DecoderPass(shape, team, rows, maxBatch);
    CacheAttention cacheAttention = new CacheAttention(shape, rotation);
    this.decodeAttention =
        new DecodeAttention(shape, pass, cacheAttention, angles.pairs(), threads, rows);
    this.prompt = new PromptBuffers(shape, angles.pairs());
    this.promptAttention = new PromptAttention(shape, pass, team, prompt, angles.pairs(), CHUNK);
    this.stepHidden = new float[rows * shape.paddedHidden()];
    this.continuation =
        new PromptContinuation(
            shape, pass, team, scratch, angles, rotation, decodeAttention, CHUNK, stepHidden);
  }

  /** Logits of the last step: row i begins at {@code i · paddedVocabulary}. */
  float[] logits() {
    return pass.logits();
  }

  int logitsRow() {
    return shape.paddedVocabulary();
  }

  /**
   * Reads a prompt from its beginning: fills the sequence's cache with what its policy keeps, and
   * leaves the logits of the last token in row 0.
   *
   * @param cancelled asked between chunks
   * @return whether the prompt was read to its end; the cache is of no use otherwise
   */
  boolean prefill(Sequence sequence, int[] tokens, BooleanSupplier cancelled) {
    prompt.reserve(tokens.length);
    PromptTask task = new PromptTask(sequence, tokens, cancelled);
    team.run(task);
    if (task.stopped) {
      return false;
    }
    sequence.advance(tokens.length);
    return true;
  }

  /**
   * Reads the rest of a prompt whose beginning the sequence has read, with the outcome of
   * {@linkplain #step steps}: see {@link PromptContinuation}. Leaves the logits of the last token
   * in row 0.
   *
   * @param tokens the whole prompt
   * @param cancelled asked between chunks
   * @return whether the prompt was read to its end
   */
  boolean readOn(Sequence sequence, int[] tokens, BooleanSupplier cancelled) {
    return continuation.read(sequence, tokens, cancelled);
  }

  /**
   * One token for every sequence; logits of the i-th in row i. Sequences of one model should stand
   * side by side. Their caches must have room.
   */
  void step(Sequence[] sequences, int count) {
    batch = sequences;
    batchSize = count;
    pass.groups().clear();
    decodeAttention.clear();
    for (int i = 0; i < count; i++) {
      pass.groups().add(sequences[i].model(), 1);
      decodeAttention.add(sequences[i], angles);
      if (sequences[i].cache().rope() == RopePositions.CACHE) {
        rotation.reserve(sequences[i].cache().slots());
      }
    }
    pass.at(stepHidden, 0);
    team.run(stepTask);
    for (int i = 0; i < count; i++) {
      sequences[i].advance(1);
    }
    batch = null;
  }

  private void step(int member) {
    Scratch own = scratch[member];
    for (int row = member; row < batchSize; row += team.threads()) {
      batch[row]
          .model()
          .embedding()
          .row(batch[row].nextToken(), stepHidden, row * shape.paddedHidden());
    }
    team.barrier();
    for (int layer = 0; layer < shape.config().numHiddenLayers(); layer++) {
      pass.layer(layer, decodeAttention, member, own);
    }
    pass.head(member, own);
  }

  /** Reads one prompt, layer by layer and within a layer chunk by chunk. */
  private final class PromptTask implements CpuTeam.Task {
    private final Sequence sequence;
    private final int[] tokens;
    private final BooleanSupplier cancelled;
    private final int firstScoring;
    private volatile boolean stopped;

    PromptTask(Sequence sequence, int[] tokens, BooleanSupplier cancelled) {
      this.sequence = sequence;
      this.tokens = tokens;
      this.cancelled = cancelled;
      this.firstScoring = tokens.length - sequence.cache().policy().scoringQueries(tokens.length);
    }

    @Override
    public void run(int member) {
      embed(member);
      team.barrier();
      for (int layer = 0; layer < shape.config().numHiddenLayers(); layer++) {
        for (int head = member; head < kvHeads(); head += team.threads()) {
          Arrays.fill(prompt.scores(head), 0, tokens.length, 0);
        }
        for (int from = 0; from < tokens.length; from += CHUNK) {
          if (member == 0) {
            startChunk(from, Math.min(CHUNK, tokens.length - from));
            stopped = cancelled.getAsBoolean();
          }
          team.barrier();
          // Between these barriers nobody writes it: all members see the same.
          if (stopped) {
            return;
          }
          pass.layer(layer, promptAttention, member, scratch[member]);
        }
        store(layer, member);
        team.barrier();
      }
      if (member == 0) {
        pass.groups().clear();
        pass.groups().add(sequence.model(), 1);
        pass.at(prompt.hidden(), (tokens.length - 1) * shape.paddedHidden());
      }
      team.barrier();
      pass.head(member, scratch[member]);
    }

    private int kvHeads() {
      return shape.config().numKeyValueHeads();
    }

    private void embed(int member) {
      float[] frequencies = angles.frequencies(tokens.length);
      for (int i = member; i < tokens.length; i += team.threads()) {
        int at = i * shape.paddedHidden();
        sequence.model().embedding().row(tokens[i], prompt.hidden(), at);
        angles.fill(frequencies, i, prompt.cos(), prompt.sin(), i * angles.pairs());
      }
    }

    private void startChunk(int from, int count) {
      pass.groups().clear();
      pass.groups().add(sequence.model(), count);
      pass.at(prompt.hidden(), from * shape.paddedHidden());
      promptAttention.at(from, count, firstScoring);
    }

    /** Puts what the policy keeps of the layer's keys and values into the cache. */
    private void store(int layer, int member) {
      SequenceCache cache = sequence.cache();
      if (member == 0) {
        cache.layer(layer).reserve(cache.policy().keptOf(tokens.length));
      }
      team.barrier();
      int dim = shape.config().headDim();
      for (int head = member; head < kvHeads(); head += team.threads()) {
        double[] scores = prompt.scores(head);
        float[] keys = prompt.keys(head);
        for (int position : cache.policy().keep(scores, tokens.length)) {
          if (cache.rope() == RopePositions.CACHE) {
            rotateBack(keys, position);
          }
          cache
              .layer(layer)
              .append(
                  head,
                  position,
                  scores[position],
                  keys,
                  position * dim,
                  prompt.values(head),
                  position * dim);
        }
      }
    }

    private void rotateBack(float[] keys, int position) {
      int at = position * shape.config().headDim();
      int pairs = angles.pairs();
      kernels.rotate(keys, at, pairs, prompt.cos(), prompt.sin(), position * pairs, -1);
      float twice = angles.scaling() * angles.scaling();
      for (int c = 0; c < 2 * pairs; c++) {
        keys[at + c] /= twice;
      }
    }
  }

  @Override
  public void close() {
    team.close();
  }
}
