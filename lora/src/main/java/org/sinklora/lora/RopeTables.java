package org.sinklora.lora;

import java.util.Arrays;
import org.sinklora.compute.RopeTable;

/** Keeps the rotary table of a model and makes a new one when a sequence asks for it. */
final class RopeTables {
  private final ModelConfig config;
  private RopeTable table;
  private float[] frequencies = {};

  RopeTables(ModelConfig config) {
    this.config = config;
  }

  /**
   * A table for positions below {@code length}. With dynamic scaling the frequencies depend on the
   * length of the longest sequence, as they do in Transformers.
   */
  RopeTable upTo(int length) {
    float[] wanted = config.rope().inverseFrequencies(config.rotaryDim(), length);
    boolean sameFrequencies = Arrays.equals(wanted, frequencies);
    if (table == null || !sameFrequencies || table.length() < length) {
      int grown = table == null || !sameFrequencies ? length : Math.max(length, 2 * table.length());
      table = new RopeTable(wanted, config.rope().attentionScaling(), grown);
      frequencies = wanted;
    }
    return table;
  }
}
