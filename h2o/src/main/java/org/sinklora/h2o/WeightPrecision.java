package org.sinklora.h2o;

/** How the weights of linears and embeddings are stored; arithmetic is float32. */
public enum WeightPrecision {
  /** 4 bytes a weight. */
  FLOAT32,
  /** 2 bytes a weight. */
  BFLOAT16,
  /** 1 byte a weight, and a float32 scale for every row. */
  INT8
}
