package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.lora.StepResult;

/** Does the steps of a training run. */
interface TrainingSteps {

  /** One optimiser step on these sequences. */
  StepResult step(List<Sequence> sequences);

  /** How many steps make a round, behind which all who take part have the same adapter. */
  default int stepsOfRound() {
    return 1;
  }

  /**
   * A round.
   *
   * @param steps the sequences of each of its steps
   */
  default List<StepResult> round(List<List<Sequence>> steps) {
    List<StepResult> results = new ArrayList<>();
    steps.forEach(sequences -> results.add(step(sequences)));
    return results;
  }

  /** What the last round took; null where nothing is distributed. */
  default RoundCost cost() {
    return null;
  }

  /** Writes what a run needs to go on, besides the trainer's state, into a checkpoint's folder. */
  default void save(Path folder) throws IOException {}

  /** Goes on from what {@link #save} wrote. */
  default void resume(Path folder) throws IOException {}

  /** What does the steps. */
  ComputedOn computedOn();

  /** Memory of the largest process of the last step, in bytes. */
  long largestProcess();

  /** Adds how the work was done to the result of a run. */
  void describe(ObjectNode result);
}
