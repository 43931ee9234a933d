package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;
import org.sinklora.compute.Device;
import org.sinklora.data.BundledModel;
import org.sinklora.data.Document;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.Quantization;
import org.sinklora.lora.RopeConfig;
import org.sinklora.lora.RopeScaling;

/**
 * A base model and the configuration to run it under; small enough to travel with a task.
 *
 * @param location name of the bundled model, or the Hadoop path of a Hugging Face model folder
 * @param configJson the configuration, which may have a longer context than the folder's
 * @param quantization how the weights of its linears are kept
 * @param version changes with the files of the folder, so that nobody goes on with older ones that
 *     he has loaded
 */
record ModelSource(String location, String configJson, Quantization quantization, String version)
    implements Serializable {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Set<String> SCALINGS = Set.of("linear", "dynamic", "yarn", "none");

  /** The model as it is. */
  static ModelSource of(String location, Storage storage) throws IOException {
    Path folder = folder(location, storage);
    return new ModelSource(
        location,
        ModelConfig.read(folder).json().toString(),
        Quantization.NONE,
        location.equals(BundledModel.NAME) ? "" : version(folder));
  }

  /** Of sizes and times: to read the weights themselves would take as long as to load them. */
  private static String version(Path folder) throws IOException {
    StringBuilder all = new StringBuilder();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        all.append(
            "%s %d %s%n"
                .formatted(file.getFileName(), Files.size(file), Files.getLastModifiedTime(file)));
      }
    }
    return Document.ofContent(all.toString()).name();
  }

  /** The model with the weights of its linears kept in another way. */
  ModelSource quantized(Quantization kept) {
    return new ModelSource(location, configJson, kept, version);
  }

  /** The model under another configuration. */
  ModelSource under(String config) {
    return new ModelSource(location, config, quantization, version);
  }

  private ModelSource with(ModelConfig config) {
    return under(config.json().toString());
  }

  /**
   * Reads the model.
   *
   * @param storage of this process
   */
  CausalLm load(Storage storage, Device device) throws IOException {
    return CausalLm.load(folder(storage), config(), device, quantization);
  }

  /**
   * The model for another context length.
   *
   * @param context tokens; 0 for the model's own
   * @param scaling {@code linear} to interpolate positions, {@code yarn} or {@code dynamic} for
   *     these, each with the factor that the context asks for; {@code none} to leave them
   */
  ModelSource extended(int context, String scaling) {
    checkScaling(scaling);
    ModelConfig config = config();
    int before = config.contextLength();
    if (context == 0 || context == before) {
      return this;
    }
    double factor = Math.max(1, (double) context / before);
    RopeConfig rope = config.rope();
    if (factor == 1 && rope.scaling() instanceof RopeScaling.DynamicNtk) {
      // It is the model of the shorter context already: nothing in it depends on the longest.
      return this;
    }
    return switch (scaling) {
      case "none" -> with(config.withContext(context, rope));
      case "linear" ->
          with(config.withContext(context, factor == 1 ? rope : rope.extendedLinearly(factor)));
      case "yarn" ->
          with(
              config.withContext(
                  context, factor == 1 ? rope : rope.extendedByYarn(factor, before)));
      case "dynamic" ->
          factor == 1
              ? with(config.withContext(context, rope))
              : with(extendedDynamically(config, context));
      default -> throw unknownScaling(scaling);
    };
  }

  /** Keeps the trained length, from which the factor counts, also where there is a factor. */
  private static ModelConfig extendedDynamically(ModelConfig config, int context) {
    int trained = config.maxPositionEmbeddings();
    double factor = (double) context / trained;
    return config.withContext(trained, config.rope().extendedDynamically(factor, trained));
  }

  /**
   * @throws UserException if there is no such scaling of positions
   */
  static void checkScaling(String name) {
    if (!SCALINGS.contains(name)) {
      throw unknownScaling(name);
    }
  }

  private static UserException unknownScaling(String name) {
    return new UserException(
        "--rope-scaling is '%s'; choose linear, dynamic, yarn or none".formatted(name));
  }

  /**
   * The model as other programs shall run it: with the context that it has in its folder where it
   * was trained on shorter sequences, which take nothing from what it can read.
   *
   * @param storage of this process
   */
  ModelSource served(Storage storage) throws IOException {
    ModelConfig plain = of(location, storage).config();
    ModelConfig config = config();
    return plain.contextLength() > config.contextLength() && plain.rope().equals(config.rope())
        ? with(config.withContext(plain.maxPositionEmbeddings(), config.rope()))
        : this;
  }

  ModelConfig config() {
    try {
      return ModelConfig.parse((ObjectNode) JSON.readTree(configJson), location);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("A configuration that was JSON before is none now", e);
    }
  }

  /** The model's files on this machine. */
  Path folder(Storage storage) throws IOException {
    return folder(location, storage);
  }

  private static Path folder(String location, Storage storage) throws IOException {
    if (location.equals(BundledModel.NAME)) {
      return BundledModel.folder();
    }
    Path folder;
    try {
      folder = storage.shared(location);
    } catch (FileNotFoundException e) {
      throw new UserException(
          "There is no model folder %s; give a Hugging Face model folder, or %s for the bundled model"
              .formatted(location, BundledModel.NAME),
          e);
    }
    if (!Files.exists(folder.resolve("config.json"))) {
      throw new UserException(
          "%s has no config.json: not a Hugging Face model folder".formatted(location));
    }
    return folder;
  }
}
