package org.sinklora.compute.cuda;

/** The GPU has no room for what was asked; the message says what was asked and what is free. */
public final class CudaOutOfMemoryException extends CudaException {
  private static final long serialVersionUID = 1;

  CudaOutOfMemoryException(String device, long asked, long free, long total, long allocated) {
    super(
        ("%s has no room for another %s: %s of %s are free and %s are this device's own. A shorter"
                + " context, a smaller batch, gradient checkpointing or bfloat16 weights need less.")
            .formatted(device, size(asked), size(free), size(total), size(allocated)));
  }

  /** Bytes as a person reads them. */
  static String size(long bytes) {
    if (bytes < 1 << 20) {
      return bytes + " bytes";
    }
    return bytes < 1L << 30
        ? "%.1f MiB".formatted(bytes / (double) (1 << 20))
        : "%.2f GiB".formatted(bytes / (double) (1L << 30));
  }
}
