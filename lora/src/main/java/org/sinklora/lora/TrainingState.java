package org.sinklora.lora;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.ModelWeights;
import org.sinklora.lora.safetensors.SafeTensorsWriter;

/**
 * What a run needs to go on after an interruption: a PEFT adapter folder with two files more.
 *
 * <p>Everything random in a run follows from the seed and the number of the step, so these two are
 * the random state.
 */
final class TrainingState {
  private static final String OPTIMIZER_FILE = "optimizer.safetensors";
  private static final String STATE_FILE = "trainer_state.json";
  private static final String ADAPTER_FILE = "adapter_model.safetensors";
  private static final JsonMapper JSON = new JsonMapper();

  private TrainingState() {}

  static void save(Path folder, LoraAdapter adapter, AdamW optimizer, TrainingConfig config)
      throws IOException {
    AtomicFolder.write(
        folder,
        LoraConfig.FILE,
        fresh -> {
          PeftWriter.writeTo(adapter, fresh);
          SafeTensorsWriter file = new SafeTensorsWriter();
          moments(optimizer)
              .forEach(
                  (name, moment) -> PeftWriter.addFloats(file, name, moment, adapter.device()));
          file.write(fresh.resolve(OPTIMIZER_FILE));
          ObjectNode state = JSON.createObjectNode();
          state.put("global_step", optimizer.step());
          state.set("training_config", settings(config));
          Files.write(
              fresh.resolve(STATE_FILE),
              JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(state));
        });
  }

  /** Names and tensors of the optimiser's state, the names as PyTorch has them. */
  private static Map<String, Tensor> moments(AdamW optimizer) {
    Map<String, Tensor> moments = new LinkedHashMap<>();
    optimizer
        .moments()
        .forEach(
            (parameter, state) -> {
              moments.put(parameter.name() + ".exp_avg", state.first());
              moments.put(parameter.name() + ".exp_avg_sq", state.second());
            });
    return moments;
  }

  private static ObjectNode settings(TrainingConfig config) {
    ObjectNode json = JSON.createObjectNode();
    json.put("steps", config.steps());
    json.put("learning_rate", config.learningRate());
    json.put("schedule", config.schedule().toString());
    json.put("warmup_steps", config.warmupSteps());
    json.put("weight_decay", config.weightDecay());
    json.put("beta1", config.beta1());
    json.put("beta2", config.beta2());
    json.put("epsilon", config.epsilon());
    json.put("max_grad_norm", config.maxGradNorm());
    json.put("attention", config.attention().toString());
    json.put("seed", config.seed());
    return json;
  }

  static void load(Path folder, LoraAdapter adapter, AdamW optimizer, TrainingConfig config)
      throws IOException {
    AtomicFolder.recover(folder);
    for (String file : new String[] {STATE_FILE, OPTIMIZER_FILE, ADAPTER_FILE}) {
      if (!Files.isRegularFile(folder.resolve(file))) {
        throw new ModelFormatException(
            "%s has no %s: not a checkpoint, or one that was not written to the end"
                .formatted(folder, file));
      }
    }
    JsonNode state = readState(folder);
    ObjectNode current = settings(config);
    if (!config.isStretchedOverSteps()) {
      current.remove("steps");
    }
    checkSame(folder, state.path("training_config"), current);
    checkSame(folder, adapterSettings(LoraConfig.read(folder)), adapterSettings(adapter.config()));
    JsonNode step = state.path("global_step");
    if (!step.isIntegralNumber() || step.asLong() < 0) {
      throw new ModelFormatException(
          "%s: global_step is %s, not a number of steps"
              .formatted(folder.resolve(STATE_FILE), step));
    }
    if (step.asLong() > config.steps()) {
      throw new ModelFormatException(
          "%s is of step %d, and this run has %d steps; choose %d or more"
              .formatted(folder, step.asLong(), config.steps(), step.asLong()));
    }
    Map<String, Tensor> values = adapter.tensors();
    Map<String, Tensor> stored = new LinkedHashMap<>(values);
    stored.putAll(adapter.storedBase());
    try (ModelWeights weights = ModelWeights.openAdapter(folder);
        ModelWeights optimizerState = ModelWeights.openFile(folder.resolve(OPTIMIZER_FILE))) {
      check(folder, weights, stored);
      check(folder, optimizerState, moments(optimizer));
      // All is there and fits: only now is anything written to.
      read(weights, values, adapter.device());
      read(optimizerState, moments(optimizer), adapter.device());
    }
    optimizer.resumeAt(step.asLong());
  }

  private static JsonNode readState(Path folder) throws IOException {
    try {
      return JSON.readTree(folder.resolve(STATE_FILE).toFile());
    } catch (JsonProcessingException e) {
      throw new ModelFormatException(
          "%s is not valid JSON: %s".formatted(folder.resolve(STATE_FILE), e.getOriginalMessage()),
          e);
    }
  }

  /** What the adapter's configuration says but for where the base model is. */
  private static ObjectNode adapterSettings(LoraConfig config) {
    return config.withBaseModel(null, null).toJson();
  }

  private static void checkSame(Path folder, JsonNode saved, ObjectNode current) {
    current
        .properties()
        .forEach(
            setting -> {
              JsonNode before = saved.path(setting.getKey());
              // As text: a number of the same value may be another kind of node once it was read.
              if (!before.toString().equals(setting.getValue().toString())) {
                throw new ModelFormatException(
                    "%s is a checkpoint of another run: it has %s = %s, this run %s"
                        .formatted(folder, setting.getKey(), before, setting.getValue()));
              }
            });
  }

  private static void check(Path folder, ModelWeights weights, Map<String, Tensor> expected) {
    expected.forEach(
        (name, tensor) -> {
          if (!weights.contains(name) || !weights.info(name).hasShape(tensor.shape())) {
            throw new ModelFormatException(
                "%s is a checkpoint of another adapter: %s is missing or has another shape"
                    .formatted(folder, name));
          }
          checkFinite(folder, weights, name);
        });
    if (weights.names().size() != expected.size()) {
      throw new ModelFormatException(
          "%s is a checkpoint of another adapter: it holds %d tensors, this run trains %d"
              .formatted(folder, weights.names().size(), expected.size()));
    }
  }

  private static void checkFinite(Path folder, ModelWeights weights, String name) {
    float[] chunk = new float[1 << 16];
    long size = weights.info(name).elements();
    for (long at = 0; at < size; at += chunk.length) {
      int count = (int) Math.min(chunk.length, size - at);
      weights.readFloats(name, at, chunk, 0, count);
      for (int i = 0; i < count; i++) {
        if (!Float.isFinite(chunk[i])) {
          throw new ModelFormatException(
              "%s: element %d of %s is %s; the checkpoint is damaged"
                  .formatted(folder, at + i, name, chunk[i]));
        }
      }
    }
  }

  private static void read(ModelWeights weights, Map<String, Tensor> targets, Device device) {
    float[] chunk = new float[1 << 20];
    targets.forEach(
        (name, tensor) -> {
          for (long at = 0; at < tensor.size(); at += chunk.length) {
            int count = (int) Math.min(chunk.length, tensor.size() - at);
            weights.readFloats(name, at, chunk, 0, count);
            device.upload(chunk, 0, tensor.view(at, count));
          }
        });
  }
}
