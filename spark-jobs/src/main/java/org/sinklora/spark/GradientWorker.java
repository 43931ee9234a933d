package org.sinklora.spark;

import java.io.Serializable;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraGradients;
import org.sinklora.lora.TokenBatch;

/** A device with a copy of the adapter and its gradients, over the process's base weights. */
final class GradientWorker implements AutoCloseable {
  /**
   * What a worker depends on.
   *
   * @param model with the context of the training
   * @param threads of the device
   */
  record Key(ModelSource model, TrainSettings settings, int threads) implements Serializable {}

  private final Device device;
  private final LoraAdapter adapter;
  private final LoraGradients gradients;

  private GradientWorker(Device device, LoraAdapter adapter, LoraGradients gradients) {
    this.device = device;
    this.adapter = adapter;
    this.gradients = gradients;
  }

  static GradientWorker create(Key key) {
    Device device = new CpuDevice(key.threads());
    CausalLm base = ExecutorModels.base(key.model()).on(device);
    LoraAdapter adapter =
        LoraAdapter.create(base, key.settings().loraConfig(base.config()), key.settings().seed());
    LoraGradients gradients =
        new LoraGradients(base.withAdapter(adapter), key.settings().trainingConfig());
    return new GradientWorker(device, adapter, gradients);
  }

  /** Starts a round with these values of the adapter. */
  void begin(float[] values) {
    adapter.setValues(values);
  }

  double accumulate(long step, TokenBatch batch, long predictions) {
    return gradients.accumulate(step, batch, predictions);
  }

  /** The gradients of the round, which start again from zero. */
  float[] gradients() {
    return gradients.take();
  }

  @Override
  public void close() {
    gradients.close();
    adapter.close();
    device.close();
  }
}
