package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.ModelPass;
import org.sinklora.lora.WindowLoss;

/** A device with the activations of an evaluation, over the process's base weights. */
final class EvaluationWorker implements AutoCloseable {
  /**
   * What a worker depends on.
   *
   * @param adapter Hadoop path of an adapter folder; null to evaluate the base model
   * @param run tells apart evaluations of a path whose content has changed in between
   * @param threads of the device
   */
  record Key(ModelSource model, String adapter, String run, int threads) implements Serializable {}

  private final Device device;
  private final LoraAdapter adapter;
  private final ModelPass pass;

  private EvaluationWorker(Device device, LoraAdapter adapter, ModelPass pass) {
    this.device = device;
    this.adapter = adapter;
    this.pass = pass;
  }

  static EvaluationWorker create(Key key) {
    Device device = new CpuDevice(key.threads());
    CausalLm base = ExecutorModels.base(key.model()).on(device);
    if (key.adapter() == null) {
      return new EvaluationWorker(device, null, new ModelPass(base));
    }
    try {
      Storage storage = SparkSessions.taskStorage();
      LoraAdapter adapter = LoraAdapter.load(storage.local(key.adapter()), base);
      return new EvaluationWorker(device, adapter, new ModelPass(base.withAdapter(adapter)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As {@link WindowLoss#of}. */
  WindowLoss evaluate(int[] window, int tail) {
    return WindowLoss.of(pass, window, tail);
  }

  @Override
  public void close() {
    pass.close();
    if (adapter != null) {
      adapter.close();
    }
    device.close();
  }
}
