package org.sinklora.spark;

import java.util.Base64;
import java.util.function.BooleanSupplier;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;
import org.sinklora.compute.Device;
import org.sinklora.compute.cuda.CudaCommunicator;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaInfo;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.lora.GradientExchange;
import org.sinklora.lora.NcclExchange;

/**
 * Each rank on the GPU that Spark gave its task, exchanging through NCCL.
 *
 * @param precision of frozen weights and activations
 */
record GpuRanks(CudaPrecision precision) implements RankDevices {
  private static final long serialVersionUID = 1;

  @Override
  public Device open(TaskContext task) {
    return CudaDevice.open(ordinal(task), precision);
  }

  /** Number of the GPU as the discovery script gave it. */
  static int ordinal(TaskContext task) {
    ResourceInformation gpus = task.resourcesJMap().get(GpuExecutors.RESOURCE);
    if (gpus == null || gpus.addresses().length == 0) {
      throw new UserException(
          "Spark gave this task no GPU; set %s to the GPUs of an executor (conf/spark-gpu.conf)"
              .formatted(GpuExecutors.EXECUTOR_AMOUNT));
    }
    String address = gpus.addresses()[0];
    try {
      return Integer.parseInt(address.trim());
    } catch (NumberFormatException e) {
      throw new UserException(
          "The discovery script calls a GPU '%s'; it must give their numbers, as conf/discover-gpus.sh does"
              .formatted(address),
          e);
    }
  }

  @Override
  public String kind(Device device) {
    CudaDevice gpu = (CudaDevice) device;
    CudaInfo info = gpu.info();
    return "%s (compute capability %d.%d, %,d MiB, %s)"
        .formatted(
            info.name(),
            info.computeCapability() / 10,
            info.computeCapability() % 10,
            info.memoryBytes() >> 20,
            gpu.precision());
  }

  @Override
  public String newGroup() {
    return Base64.getEncoder().encodeToString(CudaCommunicator.uniqueId());
  }

  @Override
  public GradientExchange join(
      String group, Device device, int rank, int ranks, BooleanSupplier givenUp) {
    byte[] id = Base64.getDecoder().decode(group);
    return new NcclExchange(((CudaDevice) device).communicator(id, rank, ranks, givenUp));
  }
}
