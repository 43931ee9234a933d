package org.sinklora.spark;

import java.util.Locale;
import org.sinklora.compute.Device;
import org.sinklora.compute.cuda.CudaDevice;

/**
 * What a training is computed on, as far as it decides the bits of the result. Which GPU it is, or
 * whether the CPUs are those of Spark's executors, is not in it.
 *
 * @param device {@code cpu} or {@code cuda}
 * @param precision of frozen weights and activations, {@code float32} or {@code bfloat16}
 */
record ComputedOn(String device, String precision) {
  static final ComputedOn CPU = new ComputedOn("cpu", "float32");

  static ComputedOn of(Device device) {
    return device instanceof CudaDevice gpu
        ? new ComputedOn("cuda", gpu.precision().name().toLowerCase(Locale.ROOT))
        : CPU;
  }

  @Override
  public String toString() {
    return device + ", " + precision;
  }
}
