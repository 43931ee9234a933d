package org.sinklora.h2o;

import org.sinklora.compute.Scratch;

/** What happens between a layer's projections: from queries, keys and values to attended heads. */
interface AttentionStage {
  /** Runs on every member of the team. */
  void run(int layer, int member, Scratch scratch);
}
