package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.file.Path;
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
    try {
      String adapter = key.adapter();
      return create(
          key.model(),
          adapter == null ? null : SparkSessions.taskStorage().local(adapter),
          key.threads());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * @param adapterFolder null to evaluate the base model; not needed any more afterwards
   * @param threads of the device
   */
  static EvaluationWorker create(ModelSource model, Path adapterFolder, int threads)
      throws IOException {
    Device device = new CpuDevice(threads);
    CausalLm base = ExecutorModels.base(model).on(device);
    if (adapterFolder == null) {
      return new EvaluationWorker(device, null, new ModelPass(base));
    }
    LoraAdapter adapter = LoraAdapter.load(adapterFolder, base);
    return new EvaluationWorker(device, adapter, new ModelPass(base.withAdapter(adapter)));
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
