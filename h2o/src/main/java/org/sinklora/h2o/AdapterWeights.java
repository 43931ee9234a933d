package org.sinklora.h2o;

/** How an adapter's low-rank updates are applied. */
public enum AdapterWeights {
  /** Beside the base weights, which all adapters of a batch then share. */
  UNMERGED,
  /** Added into a copy of the weights they update: faster, at the price of the copy. */
  MERGED
}
