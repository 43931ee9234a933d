package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraConfig;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.Quantization;

/**
 * A PEFT adapter folder with one file more: the model's configuration under which it was trained,
 * since PEFT's files say nothing of the longer context, and the settings of the training.
 */
final class AdapterFolder {
  static final String CONFIG_FILE = "sinklora_config.json";

  /** Without it nobody takes the folder for an adapter. */
  static final String LAST = "adapter_config.json";

  private static final JsonMapper JSON = new JsonMapper();

  private AdapterFolder() {}

  /** Writes the folder; what was there before is replaced. */
  static void write(
      Storage storage,
      String target,
      LoraAdapter adapter,
      ModelSource model,
      TrainSettings settings)
      throws IOException {
    ObjectNode json = JSON.createObjectNode();
    json.put("base_model", model.location());
    json.set("model_config", JSON.readTree(model.configJson()));
    json.put("quantization", model.quantization().toString());
    json.set("training", settings.toJson());
    try (LocalFolder local = new LocalFolder()) {
      java.nio.file.Path folder = local.path().resolve("adapter");
      adapter.save(folder);
      Files.writeString(folder.resolve(CONFIG_FILE), json.toPrettyString() + "\n");
      storage.upload(folder, target, LAST);
    }
  }

  /**
   * Adds to an export of an adapter what PEFT's files do not say: this class's own file, from which
   * our commands know the context, and a section of its README.md for people. Of an adapter that
   * something else trained nothing is known, and nothing is added.
   *
   * @param adapter the folder that is exported
   * @param served the model to serve it on
   * @param export a folder of this machine, with PEFT's files
   */
  static void describe(
      String adapter, ModelSource served, java.nio.file.Path export, Storage storage)
      throws IOException {
    String file = Storage.child(adapter, CONFIG_FILE);
    if (!storage.exists(file)) {
      return;
    }
    Files.write(export.resolve(CONFIG_FILE), storage.readBytes(file));
    ModelConfig plain = ModelSource.of(served.location(), storage).config();
    Files.writeString(
        export.resolve("README.md"),
        ContextNote.of(served.config(), plain),
        StandardOpenOption.APPEND);
  }

  /**
   * The base model under the configuration that an adapter was trained with.
   *
   * @param base location of the base model; null for what the adapter names
   */
  static ModelSource model(String adapter, String base, Storage storage) throws IOException {
    String folder = adapter;
    storage.recover(folder);
    if (!storage.exists(Storage.child(folder, "adapter_config.json"))) {
      boolean run = storage.exists(Storage.child(folder, "adapter/adapter_config.json"));
      throw new UserException(
          "%s is no adapter folder: it has no adapter_config.json%s"
              .formatted(adapter, run ? "; did you mean " + adapter + "/adapter?" : ""));
    }
    String file = Storage.child(folder, CONFIG_FILE);
    if (!storage.exists(file)) {
      // An adapter that something else trained: nothing is known but its base.
      String named = LoraConfig.read(storage.local(folder)).baseModelNameOrPath();
      String location = base != null ? base : named;
      if (location == null) {
        throw new UserException(adapter + " does not name its base model; give it with --model");
      }
      return ModelSource.of(location, storage);
    }
    JsonNode json = JSON.readTree(storage.readText(file));
    String location = base != null ? base : json.path("base_model").asText();
    Quantization quantization = Quantization.parse(json.path("quantization").asText("none"));
    ModelSource stored = ModelSource.of(location, storage);
    ModelSource source = stored.under(json.path("model_config").toString()).quantized(quantization);
    ModelConfig plain = stored.config();
    if (plain.hiddenSize() != source.config().hiddenSize()
        || plain.vocabSize() != source.config().vocabSize()
        || plain.numHiddenLayers() != source.config().numHiddenLayers()) {
      throw new UserException(
          "The adapter %s was trained on another model than %s; give the right one with --model"
              .formatted(adapter, location));
    }
    return source;
  }

  /**
   * The model of a command that takes an adapter or none.
   *
   * @param adapter its folder; null without
   * @param base location of the base model; null for what the adapter names, or the bundled one
   */
  static ModelSource modelOrBundled(String adapter, String base, Storage storage)
      throws IOException {
    return adapter != null
        ? model(adapter, base, storage)
        : ModelSource.of(base == null ? BundledModel.NAME : base, storage);
  }

  /** The adapter of a folder; null without a folder. */
  static LoraAdapter load(String adapter, CausalLm base, Storage storage) throws IOException {
    return adapter == null ? null : LoraAdapter.load(storage.local(adapter), base);
  }
}
