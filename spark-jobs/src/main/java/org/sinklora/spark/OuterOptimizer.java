package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.ModelWeights;
import org.sinklora.lora.safetensors.SafeTensorsWriter;
import org.sinklora.lora.safetensors.TensorInfo;

/**
 * The outer optimiser of DiLoCo (Douillard et al. 2023, arXiv 2311.08105): Nesterov's SGD as {@code
 * torch.optim.SGD} has it, whose gradient is by how much the workers' mean fell behind where they
 * began.
 */
final class OuterOptimizer {
  private static final String FILE = "outer_optimizer.safetensors";
  private static final String MOMENTUM = "momentum_buffer";

  private final double learningRate;
  private final double momentum;
  private final float[] buffer;

  /**
   * @param size number of values
   */
  OuterOptimizer(double learningRate, double momentum, int size) {
    this.learningRate = learningRate;
    this.momentum = momentum;
    this.buffer = new float[size];
  }

  /**
   * Takes a step.
   *
   * @param values at the beginning of the round; afterwards those of the next
   * @param changes sum over the workers of by how much theirs changed
   * @param workers how many they are
   */
  void step(float[] values, float[] changes, int workers) {
    for (int i = 0; i < values.length; i++) {
      double gradient = -(double) changes[i] / workers;
      buffer[i] = (float) (momentum * buffer[i] + gradient);
      values[i] = (float) (values[i] - learningRate * (gradient + momentum * buffer[i]));
    }
  }

  void save(Path folder) throws IOException {
    new SafeTensorsWriter()
        .add(
            MOMENTUM,
            TensorInfo.of(Dtype.F32, buffer.length),
            (first, destination, at, count) ->
                System.arraycopy(buffer, (int) first, destination, at, count))
        .write(folder.resolve(FILE));
  }

  /**
   * @throws UserException if the folder has no such state, or that of another adapter
   */
  void resume(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw new UserException(
          "%s has no %s: not a checkpoint of a run with --sync-every; start anew with --overwrite or another --output"
              .formatted(folder, FILE));
    }
    try (ModelWeights weights = ModelWeights.openFile(file)) {
      if (!weights.contains(MOMENTUM) || !weights.info(MOMENTUM).hasShape(buffer.length)) {
        throw new UserException(
            "%s does not have the %,d values of this run's adapter; start anew with --overwrite or another --output"
                .formatted(file, buffer.length));
      }
      weights.readFloats(MOMENTUM, 0, buffer, 0, buffer.length);
    }
  }
}
