package org.sinklora.h2o;

/** How the weights of linears and embeddings are stored; arithmetic is float32. */
public enum WeightPrecision {
  /** 4 bytes a weight. */
  FLOAT32,
  /** 2 bytes a weight. */
  BFLOAT16,
  /** 1 byte a weight, and a float32 scale for every row. */
  INT8,
  /**
   * Half a byte a weight, and a float32 scale for every 64: the 4-bit NormalFloat of QLoRA (arXiv
   * 2305.14314). On GPUs only.
   */
  NF4
}
