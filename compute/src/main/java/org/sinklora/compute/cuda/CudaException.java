package org.sinklora.compute.cuda;

/** A call into CUDA that failed: which one, with which error, and the state of the memory. */
public class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1;

  CudaException(String message) {
    super(message);
  }
}
