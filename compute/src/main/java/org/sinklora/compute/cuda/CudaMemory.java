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
  private final boolean borrowed;

  private CudaMemory(Block block, boolean borrowed) {
    this.block = block;
    this.borrowed = borrowed;
  }

  /** Memory of the context's, to be given back to it. */
  static CudaMemory allocated(CudaContext context, long address, long bytes) {
    Block block = new Block(context, address, bytes);
    CudaMemory memory = new CudaMemory(block, false);
    CLEANER.register(memory, block::forgotten);
    return memory;
  }

  /** Memory that someone else frees. */
  static CudaMemory borrowed(CudaContext context, long address, long bytes) {
    return new CudaMemory(new Block(context, address, bytes), true);
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
    if (!borrowed && !block.freed.getAndSet(true)) {
      block.context.free(block);
    }
  }
}
