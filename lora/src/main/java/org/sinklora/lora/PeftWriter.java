package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.SafeTensorsWriter;
import org.sinklora.lora.safetensors.TensorInfo;

/** Writes adapter folders as PEFT does. */
final class PeftWriter {
  private final LoraAdapter adapter;
  private final boolean loraOnly;

  private PeftWriter(LoraAdapter adapter, boolean loraOnly) {
    this.adapter = adapter;
    this.loraOnly = loraOnly;
  }

  /** Everything the adapter trained. */
  static void write(LoraAdapter adapter, Path folder) throws IOException {
    PeftWriter writer = new PeftWriter(adapter, false);
    AtomicFolder.write(folder, LoraConfig.FILE, writer::writeTo);
  }

  /** The files of a folder that exists. */
  static void writeTo(LoraAdapter adapter, Path folder) throws IOException {
    new PeftWriter(adapter, false).writeTo(folder);
  }

  /** The low-rank weights alone, for servers that know nothing else. */
  static void writeLoraOnly(LoraAdapter adapter, Path folder) throws IOException {
    PeftWriter writer = new PeftWriter(adapter, true);
    AtomicFolder.write(folder, LoraConfig.FILE, writer::writeTo);
  }

  private void writeTo(Path folder) throws IOException {
    LoraConfig config = loraOnly ? adapter.config().withoutSavedModules() : adapter.config();
    config.write(folder);
    SafeTensorsWriter file = new SafeTensorsWriter();
    adapter
        .tensors()
        .forEach(
            (name, value) -> {
              if (!loraOnly || PeftNames.isLora(name)) {
                addFloats(file, name, value, adapter.device());
              }
            });
    if (!loraOnly) {
      adapter.storedBase().forEach((name, value) -> addFloats(file, name, value, adapter.device()));
    }
    file.write(folder.resolve("adapter_model.safetensors"));
    Files.writeString(folder.resolve("README.md"), ModelCard.of(adapter, loraOnly));
  }

  static void addFloats(SafeTensorsWriter file, String name, Tensor value, Device device) {
    file.add(
        name,
        TensorInfo.of(Dtype.F32, value.shape()),
        (first, destination, at, count) ->
            device.download(value.view(first, count), destination, at));
  }
}
