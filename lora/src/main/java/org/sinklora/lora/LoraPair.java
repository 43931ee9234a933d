package org.sinklora.lora;

/**
 * The low-rank update of one linear.
 *
 * <pre>
 *        x [n, in] ──────────────── W [out, in] ───────────────┐
 *            └─ dropout ── A [r, in] ── B [out, r] ── · scale ─┴─ + ── y [n, out]
 * </pre>
 *
 * @param a lora_A, [r, in]
 * @param b lora_B, [out, r]
 * @param scale α/r, or α/√r with rsLoRA
 * @param dropout rate at which inputs of A are dropped in training
 * @param id tells the dropout of one module from another's
 */
record LoraPair(Parameter a, Parameter b, float scale, float dropout, long id) {

  static String nameOfA(String path) {
    return path + ".lora_A.weight";
  }

  static String nameOfB(String path) {
    return path + ".lora_B.weight";
  }

  int rank() {
    return (int) a.value().dim(0);
  }
}
