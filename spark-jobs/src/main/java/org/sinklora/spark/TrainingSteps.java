package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.sinklora.lora.StepResult;

/** Does the steps of a training run. */
interface TrainingSteps {

  /** One optimiser step on these sequences. */
  StepResult step(List<Sequence> sequences);

  /** Memory of the largest process of the last step, in bytes. */
  long largestProcess();

  /** Adds how the work was done to the result of a run. */
  void describe(ObjectNode result);
}
