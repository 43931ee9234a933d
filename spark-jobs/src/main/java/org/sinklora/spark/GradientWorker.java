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
  private final RowLayout layout;
  private final Communication communication;

  /** The adapter's values at the beginning of the run, which are the driver's as well. */
  private final float[] initial;

  private GradientWorker(
      Device device, LoraAdapter adapter, LoraGradients gradients, Communication communication) {
    this.device = device;
    this.adapter = adapter;
    this.gradients = gradients;
    this.layout = new RowLayout(adapter.parameterRows());
    this.communication = communication;
    this.initial = adapter.values();
  }

  static GradientWorker create(Key key) {
    TrainSettings settings = key.settings();
    Device device = new CpuDevice(key.threads());
    CausalLm base = ExecutorModels.base(key.model()).on(device);
    LoraAdapter adapter =
        LoraAdapter.create(base, settings.loraConfig(base.config()), settings.seed());
    LoraGradients gradients =
        new LoraGradients(base.withAdapter(adapter), settings.trainingConfig());
    return new GradientWorker(device, adapter, gradients, settings.rounds().type());
  }

  /** Starts a round with these values of the adapter. */
  void begin(RoundValues values) {
    adapter.setValues(values.all(initial));
  }

  double accumulate(long step, TokenBatch batch, long predictions) {
    return gradients.accumulate(step, batch, predictions);
  }

  /** The gradients of the round, which start again from zero. */
  RoundValues gradients() {
    return RoundValues.of(layout, communication, gradients.take(), null);
  }

  @Override
  public void close() {
    gradients.close();
    adapter.close();
    device.close();
  }
}
