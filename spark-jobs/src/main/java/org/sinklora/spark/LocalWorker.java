package org.sinklora.spark;

import java.io.Serializable;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** A device with a trainer of its own, over the process's base weights. */
final class LocalWorker implements AutoCloseable {
  /**
   * What a worker depends on.
   *
   * @param model with the context of the training
   * @param threads of the device
   */
  record Key(ModelSource model, TrainSettings settings, int threads) implements Serializable {}

  private final Device device;
  private final LoraAdapter adapter;
  private final LoraTrainer trainer;
  private final LocalSteps steps;

  private LocalWorker(
      Device device, LoraAdapter adapter, LoraTrainer trainer, Communication communication) {
    this.device = device;
    this.adapter = adapter;
    this.trainer = trainer;
    this.steps = new LocalSteps(trainer, adapter, communication, adapter.values(), 1);
  }

  static LocalWorker create(Key key) {
    TrainSettings settings = key.settings();
    Device device = new CpuDevice(key.threads());
    CausalLm base = ExecutorModels.base(key.model()).on(device);
    LoraAdapter adapter =
        LoraAdapter.create(base, settings.loraConfig(base.config()), settings.seed());
    LoraTrainer trainer = new LoraTrainer(base.withAdapter(adapter), settings.trainingConfig());
    return new LocalWorker(device, adapter, trainer, settings.rounds().type());
  }

  LocalSteps steps() {
    return steps;
  }

  @Override
  public void close() {
    trainer.close();
    adapter.close();
    device.close();
  }
}
