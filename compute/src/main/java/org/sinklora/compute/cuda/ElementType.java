package org.sinklora.compute.cuda;

/** What the elements of a {@link CudaTensor} are. */
public enum ElementType {
  FLOAT32(4, "float"),
  /** The upper half of a float32, rounded to nearest even. */
  BFLOAT16(2, "bf16"),
  INT32(4, "int"),
  INT8(1, "signed char");

  private final int bytes;
  private final String cName;

  ElementType(int bytes, String cName) {
    this.bytes = bytes;
    this.cName = cName;
  }

  /** Size of an element. */
  public int bytes() {
    return bytes;
  }

  /** The type's name in our CUDA sources, where {@code bf16} is a typedef. */
  public String cName() {
    return cName;
  }
}
