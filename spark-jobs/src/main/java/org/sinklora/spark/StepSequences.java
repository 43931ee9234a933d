package org.sinklora.spark;

import java.util.List;

/** The sequences that a process takes in each step of a run. */
interface StepSequences {
  /** Those of a step, counted from 0. */
  List<Sequence> step(long step);
}
