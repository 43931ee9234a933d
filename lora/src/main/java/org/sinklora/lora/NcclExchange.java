package org.sinklora.lora;

import org.sinklora.compute.Tensor;
import org.sinklora.compute.cuda.CudaCommunicator;
import org.sinklora.compute.cuda.CudaTensor;

/** An exchange among GPUs, of one host or of several, through NCCL. */
public final class NcclExchange implements GradientExchange {
  private final CudaCommunicator communicator;

  /**
   * @param communicator of the rank's device; it ends with the exchange
   */
  public NcclExchange(CudaCommunicator communicator) {
    this.communicator = communicator;
  }

  @Override
  public int rank() {
    return communicator.rank();
  }

  @Override
  public int size() {
    return communicator.size();
  }

  /** Behind the work that the device was given; does not wait. */
  @Override
  public void sum(Tensor gradients) {
    communicator.allReduceSum(CudaTensor.of(gradients));
  }

  @Override
  public double sum(double value) {
    return communicator.sum(value);
  }

  @Override
  public void close() {
    communicator.close();
  }
}
