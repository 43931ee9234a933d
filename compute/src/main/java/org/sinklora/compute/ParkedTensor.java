package org.sinklora.compute;

/**
 * A place in the host's memory for what a tensor holds, so that the device's memory can hold
 * something else meanwhile. Copies run beside the device's work where the device can do that.
 */
public interface ParkedTensor extends AutoCloseable {

  /**
   * Copies a tensor here, as what was asked of the device so far leaves it. It must not be written
   * to before {@link #await}.
   *
   * @param source no larger than the tensor that the place was made for
   */
  void store(Tensor source);

  /**
   * Copies what was stored into a tensor of the size of the one it came from, once all that was
   * asked of the device so far is done with that tensor. It must not be read before {@link #await}.
   */
  void load(Tensor destination);

  /** Lets everything that is asked of the device from now on wait for the last copy. */
  void await();

  /** Waits for the last copy and frees the memory. */
  @Override
  void close();
}
