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
 * @param local whether tasks do rounds of local steps
 */
record TrainingMemory(long weights, long task, long trainer, long values, boolean local) {
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
    // Local rounds have an optimiser in each task.
    boolean local = settings.rounds().areLocal();
    long elsewhere = weights + plan.bytes(MemoryPlan.KERNELS) + (local ? 0 : optimizer);
    return new TrainingMemory(
        weights, plan.bytes() - elsewhere, adapter + optimizer, adapter / 2, local);
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

  /**
   * What goes to a task and comes back, in arrays of the size of the values: adapter and gradients,
   * in local rounds also AdamW's averages. Fewer where rows of an embedding stay as they are, which
   * nobody knows before.
   */
  private long travelling() {
    return (local ? 3 : 1) * values;
  }

  /**
   * Of the Java heap, of a task: the adapter at the beginning of the run, and what comes back.
   * Spark writes that into bytes and these into others, in pieces of a MiB and some bytes, of which
   * each takes two MiB of a heap of less than 4 GiB.
   */
  private long heapOfTask() {
    return values + 5 * travelling();
  }

  /** Of an executor's Java heap: what goes to all its tasks, and what each has of its own. */
  long heap(int tasksAtATime) {
    return JAVA + travelling() + tasksAtATime * heapOfTask();
  }

  long executor(int tasksAtATime) {
    return outsideHeap(tasksAtATime) + heap(tasksAtATime);
  }

  /**
   * Of a driver's Java heap during a round: the adapter at the beginning of the run, and what goes
   * to the tasks, in arrays and in bytes; in local rounds also the state before it and the outer
   * momentum.
   */
  private long heapOfRound() {
    return JAVA + values + 2 * travelling() + (local ? travelling() + values : 0);
  }

  /** Of the Java heap of a driver that does no tasks: the sum and, twice, what is added to it. */
  long driverHeap() {
    return heapOfRound() + 3 * travelling();
  }

  /** Of a driver that does no tasks. */
  long driver() {
    return weights + trainer + driverHeap();
  }

  /**
   * Of the Java heap of a driver that does the tasks itself: they are at their end when it adds.
   */
  long processHeap(int tasksAtATime) {
    return heapOfRound() + tasksAtATime * heapOfTask();
  }

  /** Of a driver that does the tasks itself. */
  long process(int tasksAtATime) {
    return outsideHeap(tasksAtATime) + trainer + processHeap(tasksAtATime);
  }
}
