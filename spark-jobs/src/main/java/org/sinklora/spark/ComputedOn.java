package org.sinklora.spark;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.compute.cuda.CudaDevice;

/**
 * What a training is computed on, as far as it decides the bits of the result: sums are taken in
 * another order where the work is cut in another way. Which GPU it is, or whether the CPUs are
 * those of Spark's executors, is not in it.
 *
 * @param device {@code cpu} or {@code cuda}
 * @param precision of frozen weights and activations, {@code float32} or {@code bfloat16}
 * @param tasks that share the sequences of a step
 * @param threads of a task; 0 on a GPU
 * @param sequencesPerPass sequences that go through the model together
 */
record ComputedOn(
    String device,
    String precision,
    int tasks,
    int threads,
    @JsonProperty("sequences_per_pass") int sequencesPerPass) {

  /** CPUs, which compute in float32. */
  static ComputedOn cpus(int tasks, int threads) {
    return new ComputedOn("cpu", "float32", tasks, threads, 1);
  }

  static ComputedOn of(Device device, int sequencesPerPass) {
    String precision =
        device instanceof CudaDevice gpu
            ? gpu.precision().name().toLowerCase(Locale.ROOT)
            : "float32";
    return device instanceof CpuDevice cpu
        ? new ComputedOn("cpu", precision, 1, cpu.threads(), sequencesPerPass)
        : new ComputedOn("cuda", precision, 1, 0, sequencesPerPass);
  }

  /** What was noted; counts that an older version did not note are 0. */
  static ComputedOn of(JsonNode noted) {
    return new ComputedOn(
        noted.path("device").asText(),
        noted.path("precision").asText(),
        noted.path("tasks").asInt(),
        noted.path("threads").asInt(),
        noted.path("sequences_per_pass").asInt());
  }

  /** The same device in each of some ranks. */
  ComputedOn ranks(int ranks) {
    return new ComputedOn(device, precision, ranks, threads, sequencesPerPass);
  }

  /** Whether the same steps come out as the same bits, as far as that is known. */
  boolean isAs(ComputedOn other) {
    return device.equals(other.device)
        && precision.equals(other.precision)
        && isAs(tasks, other.tasks)
        && isAs(threads, other.threads)
        && isAs(sequencesPerPass, other.sequencesPerPass);
  }

  private static boolean isAs(int count, int other) {
    return count == other || count == 0 || other == 0;
  }

  /** The options that cut the work in this way; empty if they are not known. */
  String options() {
    String cut = tasks == 0 ? "" : "--partitions " + tasks;
    cut += threads == 0 ? "" : " --threads-per-task " + threads;
    return cut + (sequencesPerPass > 1 ? " --sequences-per-pass " + sequencesPerPass : "");
  }

  @Override
  public String toString() {
    String cut = options();
    return device + ", " + precision + (cut.isEmpty() ? "" : " (" + cut + ")");
  }
}
