package org.sinklora.h2o;

import java.util.function.BooleanSupplier;
import org.sinklora.compute.CpuTeam;
import org.sinklora.compute.Scratch;

/**
 * Reads the rest of a prompt whose beginning a cache has read, in chunks: the weights are read once
 * a chunk, not once a token. The outcome is that of feeding the rest token by token: each token
 * attends to what is alive in the cache when it comes, itself included, as the cache has stored it.
 *
 * <ul>
 *   <li>{@code full} and {@code snapkv} keep every token that is fed. A chunk is appended and
 *       attended to as a whole, in tiles. With {@code full} in float32 this equals reading the
 *       prompt from its beginning.
 *   <li>{@code streaming} and {@code h2o} drop a position after every token, and which one {@code
 *       h2o} drops, and so what the next token sees, is known only once the token before has
 *       attended. There a layer's attention goes token by token, one kv head beside the other; all
 *       else of the layer still runs for the chunk. A beginning that has been cut is gone: reading
 *       the prompt anew, with nothing cut before its end, is another computation.
 * </ul>
 */
final class PromptContinuation implements CpuTeam.Task {
  private final DecoderShape shape;
  private final DecoderPass pass;
  private final CpuTeam team;
  private final Scratch[] scratch;
  private final RopeAngles angles;
  private final RankRotation rotation;
  private final CachePanelAttention together;
  private final DecodeAttention oneByOne;
  private final AttentionStage inOrder;
  private final int maxRows;
  private final float[] hidden;
  private Sequence sequence;
  private int[] tokens;
  private int count;
  private boolean last;
  private AttentionStage attention;

  /**
   * @param oneByOne with room for {@code maxRows}
   * @param maxRows tokens of a chunk
   * @param hidden room for as many rows of the residual stream
   */
  PromptContinuation(
      DecoderShape shape,
      DecoderPass pass,
      CpuTeam team,
      Scratch[] scratch,
      RopeAngles angles,
      RankRotation rotation,
      DecodeAttention oneByOne,
      int maxRows,
      float[] hidden) {
    this.shape = shape;
    this.pass = pass;
    this.team = team;
    this.scratch = scratch;
    this.angles = angles;
    this.rotation = rotation;
    this.together = new CachePanelAttention(shape, pass, team, rotation, angles.pairs(), maxRows);
    this.oneByOne = oneByOne;
    this.inOrder = oneByOne.inOrder();
    this.maxRows = maxRows;
    this.hidden = hidden;
  }

  /**
   * Reads on to the end of the prompt; the logits of its last token are in row 0.
   *
   * @param prompt all of it, longer than what the sequence has read
   * @param cancelled asked between chunks
   * @return whether it was read to its end
   */
  boolean read(Sequence newSequence, int[] prompt, BooleanSupplier cancelled) {
    sequence = newSequence;
    tokens = prompt;
    while (sequence.position() < tokens.length) {
      if (cancelled.getAsBoolean()) {
        return false;
      }
      count = Math.min(maxRows, tokens.length - sequence.position());
      last = sequence.position() + count == tokens.length;
      startChunk();
      team.run(this);
      sequence.advance(count);
    }
    return true;
  }

  private void startChunk() {
    SequenceCache cache = sequence.cache();
    cache.reserve(count);
    if (cache.rope() == RopePositions.CACHE) {
      rotation.reserve(cache.slots());
    }
    KvCachePolicy policy = cache.policy();
    if (policy.capacity() == Integer.MAX_VALUE && !policy.scoresDecoding()) {
      together.at(sequence, count, angles);
      attention = together;
    } else {
      oneByOne.clear();
      for (int row = 0; row < count; row++) {
        oneByOne.add(sequence, row, angles);
      }
      attention = inOrder;
    }
    pass.groups().clear();
    pass.groups().add(sequence.model(), count);
    pass.at(hidden, 0);
  }

  @Override
  public void run(int member) {
    Scratch own = scratch[member];
    for (int row = member; row < count; row += team.threads()) {
      int token = tokens[sequence.position() + row];
      sequence.model().embedding().row(token, hidden, row * shape.paddedHidden());
    }
    team.barrier();
    for (int layer = 0; layer < shape.config().numHiddenLayers(); layer++) {
      pass.layer(layer, attention, member, own);
    }
    if (last) {
      if (member == 0) {
        pass.groups().clear();
        pass.groups().add(sequence.model(), 1);
        pass.at(hidden, (count - 1) * shape.paddedHidden());
      }
      team.barrier();
      pass.head(member, own);
    }
  }
}
