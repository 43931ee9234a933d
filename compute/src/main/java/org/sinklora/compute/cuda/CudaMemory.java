package org.sinklora.compute.cuda;

import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * GPU memory that tensors and their views share. It is freed when its owner is closed, or when all
 * of them have been forgotten.
 */
final class CudaMemory {
  private static final Cleaner CLEANER = Cleaner.create();

  /** What is left to free when no tensor refers to the memory any more. */
  static final class Block {
    private final CudaContext context;
    private final long address;
    private final long bytes;
    private final AtomicBoolean freed = new AtomicBoolean();

    private Block(CudaContext context, long address, long bytes) {
      this.context = context;
      this.address = address;
      this.bytes = bytes;
    }

    long address() {
      return address;
    }

    long bytes() {
      return bytes;
    }

    private void forgotten() {
      if (!freed.getAndSet(true)) {
        context.freeLater(this);
      }
    }
  }

  private final Block block;

  CudaMemory(CudaContext context, long address, long bytes) {
    this.block = new Block(context, address, bytes);
    CLEANER.register(this, block::forgotten);
  }

  CudaContext context() {
    return block.context;
  }

  /**
   * Where it begins in the GPU's memory.
   *
   * @throws IllegalStateException if it has been freed
   */
  long address() {
    if (block.freed.get()) {
      throw new IllegalStateException("The tensor has been closed");
    }
    return block.address;
  }

  void free() {
    if (!block.freed.getAndSet(true)) {
      block.context.free(block);
    }
  }
}
