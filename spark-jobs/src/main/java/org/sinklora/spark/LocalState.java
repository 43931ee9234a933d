package org.sinklora.spark;

import java.io.Serializable;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.OptimizerState;

/**
 * What every worker begins a round of local steps with: the adapter, and the averages of AdamW. It
 * is all that a task needs, so one that is run again elsewhere gives the same.
 *
 * @param step number of steps done
 * @param values of the adapter, where they are no more the initial ones
 * @param first AdamW's average of the gradient
 * @param second AdamW's average of its square
 */
record LocalState(long step, RoundValues values, RoundValues first, RoundValues second)
    implements Serializable {

  /**
   * @param initial the adapter's values at the beginning of the run
   */
  static LocalState of(
      LoraTrainer trainer,
      LoraAdapter adapter,
      RowLayout layout,
      Communication communication,
      float[] initial) {
    OptimizerState state = trainer.optimizerState();
    return new LocalState(
        state.step(),
        RoundValues.of(layout, communication, adapter.values(), initial),
        RoundValues.of(layout, communication, state.first(), null),
        RoundValues.of(layout, communication, state.second(), null));
  }

  /** Bytes on the wire. */
  long bytes() {
    return values.bytes() + first.bytes() + second.bytes();
  }
}
