package org.sinklora.compute;

/** Parking where the host's memory is the device's own: a plain copy. */
final class DeviceParkedTensor implements ParkedTensor {
  private final Device device;
  private final Tensor copy;

  DeviceParkedTensor(Device device, Tensor like) {
    this.device = device;
    this.copy = device.allocateActivations(like.size());
  }

  @Override
  public void store(Tensor source) {
    device.copy(source, copy.view(0, source.size()));
  }

  @Override
  public void load(Tensor destination) {
    device.copy(copy.view(0, destination.size()), destination);
  }

  @Override
  public void await() {
    // The copy was made at once.
  }

  @Override
  public void close() {
    copy.close();
  }
}
