package org.sinklora.spark;

import org.sinklora.lora.MemoryPlan;
import org.sinklora.lora.ModelConfig;

/**
 * What training on CPUs takes in memory, in bytes.
 *
 * @param weights of the base model, once for each process
 * @param task adapter, gradients and activations of a task that runs
 * @param trainer what the driver holds besides the base model
 * @param values what is trained, as an array of the Java heap
 */
record TrainingMemory(long weights, long task, long trainer, long values) {
  /** See {@link org.sinklora.compute.Device#logitsElements}: that of a CPU. */
  private static final long LOGITS = 1 << 21;

  /** What Java and Spark take of the heap before any of our arrays. */
  private static final long JAVA = 200L << 20;

  /**
   * Counts it.
   *
   * @throws IllegalStateException if a step takes more than {@code --memory-limit}
   */
  static TrainingMemory of(ModelSource source, TrainSettings settings) {
    MemoryPlan plan = plan(source, settings, Long.MAX_VALUE);
    long weights = plan.bytes(MemoryPlan.WEIGHTS);
    long adapter = plan.bytes(MemoryPlan.ADAPTER);
    long optimizer = plan.bytes(MemoryPlan.OPTIMIZER);
    long limit = settings.trainingConfig().memoryLimit();
    if (limit > 0) {
      // Of what the limit is for, a task holds its adapter when it makes its plan.
      plan = plan(source, settings, weights + optimizer + Math.max(adapter, limit));
    }
    // Local rounds have an optimiser in each task, whose averages travel with the values.
    boolean local = settings.rounds().areLocal();
    long elsewhere = weights + plan.bytes(MemoryPlan.KERNELS) + (local ? 0 : optimizer);
    return new TrainingMemory(
        weights,
        plan.bytes() - elsewhere,
        adapter + optimizer,
        local ? adapter / 2 + optimizer : adapter / 2);
  }

  private static MemoryPlan plan(ModelSource source, TrainSettings settings, long capacity) {
    ModelConfig config = source.config();
    return MemoryPlan.of(
        new MemoryPlan.Request(
            config,
            settings.loraConfig(config),
            source.quantization(),
            settings.context(),
            Float.BYTES,
            LOGITS,
            false,
            settings.trainingConfig().gradientCheckpointing(),
            capacity));
  }

  /** Of an executor outside its Java heap. */
  long outsideHeap(int tasksAtATime) {
    return weights + tasksAtATime * task;
  }

  /** Of an executor's Java heap: the adapter, and of each task its gradient. */
  long heap(int tasksAtATime) {
    return JAVA + (1 + tasksAtATime) * values;
  }

  long executor(int tasksAtATime) {
    return outsideHeap(tasksAtATime) + heap(tasksAtATime);
  }

  /** Of a driver that does no tasks. */
  long driver() {
    return weights + trainer + JAVA + 2 * values;
  }
}
