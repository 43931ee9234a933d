package org.sinklora.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;

/**
 * The base weights of this process: loaded once, read by every task. A job on another model
 * replaces them.
 */
final class ExecutorModels {
  private static ModelSource source;
  private static CausalLm model;

  private ExecutorModels() {}

  /** The base model; tasks run it through {@link CausalLm#on a device of their own}. */
  static synchronized CausalLm base(ModelSource wanted) {
    if (!wanted.equals(source)) {
      // The old weights are left to the garbage collector: a task may still be reading them.
      source = null;
      model = null;
      try {
        model = wanted.load(SparkSessions.taskStorage(), new CpuDevice(1));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      source = wanted;
    }
    return model;
  }
}
