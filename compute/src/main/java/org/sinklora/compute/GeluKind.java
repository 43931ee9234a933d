package org.sinklora.compute;

/** The two definitions of GELU in use. */
public enum GeluKind {
  /** {@code x · Φ(x)} with the error function; {@code "gelu"} in Hugging Face configurations. */
  ERF,
  /**
   * The tanh approximation; {@code "gelu_new"}, {@code "gelu_fast"}, {@code "gelu_pytorch_tanh"}.
   */
  TANH
}
