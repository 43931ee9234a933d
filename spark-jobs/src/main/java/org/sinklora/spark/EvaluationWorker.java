package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import org.apache.spark.broadcast.Broadcast;
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
   * @param adapter hash of its files; null to evaluate the base model
   * @param threads of the device
   */
  record Key(ModelSource model, String adapter, int threads) implements Serializable {}

  private final Device device;
  private final LoraAdapter adapter;
  private final ModelPass pass;

  private EvaluationWorker(Device device, LoraAdapter adapter, ModelPass pass) {
    this.device = device;
    this.adapter = adapter;
    this.pass = pass;
  }

  /**
   * @param adapter its files; null to evaluate the base model
   */
  static EvaluationWorker create(Key key, Broadcast<AdapterFiles> adapter) {
    Device device = new CpuDevice(key.threads());
    CausalLm base = ExecutorModels.base(key.model()).on(device);
    if (adapter == null) {
      return new EvaluationWorker(device, null, new ModelPass(base));
    }
    try (LocalFolder local = new LocalFolder()) {
      adapter.value().unpack(local.path());
      LoraAdapter loaded = LoraAdapter.load(local.path(), base);
      return new EvaluationWorker(device, loaded, new ModelPass(base.withAdapter(loaded)));
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
