package org.sinklora.lora;

import java.util.Collections;
import java.util.Set;
import java.util.TreeSet;
import org.sinklora.sfattn.AttentionPattern;

/**
 * Which attention pattern a layer uses at which time of a training run.
 *
 * <p>A few layers that attend fully, or full attention at the end of training, bring SF-Attn close
 * to full attention's quality at a fraction of its cost.
 *
 * @param pattern the pattern of every layer that is not named below
 * @param fullAttentionLayers indices of layers that always attend fully
 * @param fullAttentionTail share of the steps, at the end of the run, in which all layers do
 */
public record AttentionPlan(
    AttentionPattern pattern, Set<Integer> fullAttentionLayers, double fullAttentionTail) {

  /** Full attention everywhere: evaluation and serving. */
  public static final AttentionPlan FULL = of(AttentionPattern.full());

  public AttentionPlan {
    // Sorted, since the order shows in toString(), by which a checkpoint knows its run.
    fullAttentionLayers = Collections.unmodifiableSet(new TreeSet<>(fullAttentionLayers));
    if (!(fullAttentionTail >= 0 && fullAttentionTail <= 1)) {
      throw new IllegalArgumentException(
          "fullAttentionTail is a share of the steps in [0, 1], not " + fullAttentionTail);
    }
  }

  /** One pattern for all layers and steps. */
  public static AttentionPlan of(AttentionPattern pattern) {
    return new AttentionPlan(pattern, Set.of(), 0);
  }

  /** The same with these layers attending fully. */
  public AttentionPlan withFullAttentionLayers(Integer... layers) {
    return new AttentionPlan(pattern, Set.of(layers), fullAttentionTail);
  }

  /** The same with full attention in the last {@code share} of the steps. */
  public AttentionPlan withFullAttentionTail(double share) {
    return new AttentionPlan(pattern, fullAttentionLayers, share);
  }

  /** The plan of step {@code step} of {@code steps}, counted from 0. */
  AttentionPlan at(long step, long steps) {
    boolean inTail = fullAttentionTail > 0 && step >= Math.round(steps * (1 - fullAttentionTail));
    return inTail ? FULL : this;
  }

  AttentionPattern pattern(int layer) {
    return fullAttentionLayers.contains(layer) ? AttentionPattern.full() : pattern;
  }

  void checkLayers(int layers) {
    for (int layer : fullAttentionLayers) {
      if (layer < 0 || layer >= layers) {
        throw new IllegalArgumentException(
            "fullAttentionLayers names layer %d, but the model has layers 0 to %d"
                .formatted(layer, layers - 1));
      }
    }
  }
}
