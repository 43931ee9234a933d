package org.sinklora.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/**
 * The sequences of a whole run, handed out before its barrier stage: while that runs, its tasks
 * hold every GPU, and no other job of the application finds a place. They travel in blocks that
 * executors fetch when their ranks come to them, and that Spark moves to disk where memory is
 * short.
 */
final class RankSequences implements Serializable {
  private static final long serialVersionUID = 1;

  /** Tokens of a block, 16 MiB. */
  private static final int BLOCK_TOKENS = 4 << 20;

  private final List<Broadcast<Sequence[]>> blocks;
  private final int batchSize;
  private final int stepsOfBlock;
  private transient Sequence[] current;
  private transient int currentAt;

  private RankSequences(List<Broadcast<Sequence[]>> blocks, int batchSize, int stepsOfBlock) {
    this.blocks = blocks;
    this.batchSize = batchSize;
    this.stepsOfBlock = stepsOfBlock;
  }

  /** Hands out all sequences of a run. */
  static RankSequences broadcast(
      JavaSparkContext spark, StepSequences feed, TrainSettings settings) {
    int batchSize = settings.optimizer().batchSize();
    long tokensOfStep = (long) batchSize * settings.context();
    int stepsOfBlock = (int) Math.max(1, BLOCK_TOKENS / tokensOfStep);
    return broadcast(spark, feed, batchSize, stepsOfBlock, settings.optimizer().steps());
  }

  static RankSequences broadcast(
      JavaSparkContext spark, StepSequences feed, int batchSize, int stepsOfBlock, long steps) {
    List<Broadcast<Sequence[]>> blocks = new ArrayList<>();
    for (long first = 0; first < steps; first += stepsOfBlock) {
      List<Sequence> block = new ArrayList<>();
      for (long step = first; step < Math.min(steps, first + stepsOfBlock); step++) {
        block.addAll(feed.step(step));
      }
      blocks.add(spark.broadcast(block.toArray(Sequence[]::new)));
    }
    return new RankSequences(blocks, batchSize, stepsOfBlock);
  }

  /**
   * A rank's share of each step: neighbours, and as many as every other rank's but for one.
   *
   * @param rank counted from 0
   */
  StepSequences of(int rank, int ranks) {
    int from = (int) ((long) batchSize * rank / ranks);
    int to = (int) ((long) batchSize * (rank + 1) / ranks);
    return step -> {
      int first = (int) (step % stepsOfBlock) * batchSize;
      return Arrays.asList(block((int) (step / stepsOfBlock))).subList(first + from, first + to);
    };
  }

  private Sequence[] block(int at) {
    if (current == null || currentAt != at) {
      current = blocks.get(at).value();
      currentAt = at;
    }
    return current;
  }

  /** Frees them everywhere. */
  void destroy() {
    blocks.forEach(Broadcast::destroy);
  }
}
