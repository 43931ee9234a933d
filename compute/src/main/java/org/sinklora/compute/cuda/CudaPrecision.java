package org.sinklora.compute.cuda;

/**
 * Precision of frozen weights and of activations. Trained parameters, gradients of parameters,
 * optimiser state and statistics are float32 in either.
 */
public enum CudaPrecision {
  FLOAT32(ElementType.FLOAT32),
  BFLOAT16(ElementType.BFLOAT16);

  private final ElementType elementType;

  CudaPrecision(ElementType elementType) {
    this.elementType = elementType;
  }

  public ElementType elementType() {
    return elementType;
  }
}
