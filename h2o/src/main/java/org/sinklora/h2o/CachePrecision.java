package org.sinklora.h2o;

/** How keys and values are stored. */
public enum CachePrecision {
  /** 4 bytes a component. */
  FLOAT32,
  /** 2 bytes a component, 8 significant bits. */
  BFLOAT16,
  /** 1 byte a component, and a float32 scale for every token and head. */
  INT8
}
