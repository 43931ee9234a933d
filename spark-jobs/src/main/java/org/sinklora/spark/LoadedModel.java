package org.sinklora.spark;

import java.io.IOException;
import org.sinklora.compute.Device;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;

/** A model with or without an adapter, and the device it lies on; closed together. */
final class LoadedModel implements AutoCloseable {
  private final Device device;
  private CausalLm base;
  private LoraAdapter adapter;

  private LoadedModel(Device device) {
    this.device = device;
  }

  /**
   * @param adapter its folder; null without
   * @param threads of the CPU
   */
  static LoadedModel open(
      ModelSource source, String adapter, DeviceChoice choice, int threads, Storage storage)
      throws IOException {
    LoadedModel loaded = new LoadedModel(choice.open(threads));
    boolean complete = false;
    try {
      loaded.base = source.load(storage, loaded.device);
      loaded.adapter = AdapterFolder.load(adapter, loaded.base, storage);
      complete = true;
      return loaded;
    } finally {
      if (!complete) {
        loaded.close();
      }
    }
  }

  CausalLm model() {
    return adapter == null ? base : base.withAdapter(adapter);
  }

  @Override
  public void close() {
    if (adapter != null) {
      adapter.close();
    }
    if (base != null) {
      base.close();
    }
    device.close();
  }
}
