package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.ModelWeights;
import org.sinklora.lora.safetensors.SafeTensorsWriter.FloatSource;
import org.sinklora.lora.safetensors.ShardedModelWriter;
import org.sinklora.lora.safetensors.TensorInfo;

/**
 * Writes a model with its adapter merged into the weights: a full Hugging Face folder in the base's
 * own types, which any server loads.
 */
final class MergedModel {
  /** Files that are written anew, or that speak of the base alone. */
  private static final Set<String> NOT_COPIED =
      Set.of("config.json", "README.md", "adapter_config.json");

  /** Weights in any format, and their indices. */
  private static final Pattern WEIGHTS =
      Pattern.compile(".*\\.(safetensors|bin|pt|pth|ckpt|gguf|h5|msgpack|ot|onnx)(\\..*)?");

  /** Half-way between the largest F16 and what would come next: from here on it is infinite. */
  private static final float F16_LIMIT = 65_520;

  private final CausalLm model;
  private final Device device;
  private final LoraAdapter adapter;
  private final Dtype dtype;

  private MergedModel(CausalLm model, Dtype dtype) {
    this.dtype = dtype;
    this.model = model;
    this.device = model.device();
    this.adapter = model.adapter();
  }

  /**
   * @param dtype of all weights; null for the base's own
   */
  static void write(CausalLm model, Path folder, Dtype dtype, long shardBytes) throws IOException {
    MergedModel merged = new MergedModel(model, dtype);
    AtomicFolder.write(folder, null, fresh -> merged.writeTo(fresh, shardBytes));
  }

  private void writeTo(Path folder, long shardBytes) throws IOException {
    boolean untied = headIsUntied();
    writeConfig(folder, untied);
    copyRest(folder);
    ShardedModelWriter writer = new ShardedModelWriter(shardBytes);
    try (ModelWeights base = ModelWeights.open(model.folder())) {
      for (ModuleSpec module : model.architecture().modules()) {
        for (String name : module.parameters().keySet()) {
          // A head that is stored although it is tied counts for nothing, here as in Transformers.
          boolean idleHead =
              model.config().tieWordEmbeddings() && module.kind() == ModuleSpec.Kind.HEAD;
          if (base.contains(name) && !idleHead) {
            add(writer, base, module, name);
          }
        }
      }
      if (untied) {
        addUntiedHead(writer, base);
      }
      writer.write(folder);
    }
  }

  private void writeConfig(Path folder, boolean untied) throws IOException {
    ObjectNode json = model.config().json();
    if (untied) {
      json.put("tie_word_embeddings", false);
    }
    if (dtype != null) {
      String field = json.has("torch_dtype") ? "torch_dtype" : "dtype";
      json.put(field, hubName(dtype));
    }
    ModelConfig.parse(json, "config.json").write(folder);
  }

  private void add(ShardedModelWriter writer, ModelWeights base, ModuleSpec module, String name) {
    Parameter own = adapter.saved(name);
    LoraPair pair = name.equals(module.weight()) ? adapter.pair(module.path()) : null;
    TensorInfo info = base.info(name);
    if (own == null && pair == null && (dtype == null || dtype == info.dtype())) {
      writer.addBytes(name, info, () -> base.bytes(name));
    } else {
      Tensor weight = (own != null ? own : model.base().get(name)).value();
      addFloats(writer, name, typeFor(info.dtype()), weight, pair);
    }
  }

  /** The type to write in: doubles become floats, which is what was computed with. */
  private Dtype typeFor(Dtype ofBase) {
    Dtype wanted = dtype == null ? ofBase : dtype;
    return wanted == Dtype.F64 ? Dtype.F32 : wanted;
  }

  private void addFloats(
      ShardedModelWriter writer, String name, Dtype type, Tensor weight, LoraPair pair) {
    FloatSource values =
        pair == null
            ? (first, destination, at, count) ->
                device.download(weight.view(first, count), destination, at)
            : new MergedWeight(device, weight, pair);
    writer.add(
        name,
        TensorInfo.of(type, weight.shape()),
        (first, destination, at, count) -> {
          values.readFloats(first, destination, at, count);
          checkFits(name, type, destination, at, count);
        });
  }

  /** A weight that the type cannot hold would be written as infinite, and never load again. */
  private static void checkFits(String name, Dtype type, float[] values, int at, int count) {
    float limit = type == Dtype.F16 ? F16_LIMIT : Float.MAX_VALUE;
    for (int i = at; i < at + count; i++) {
      if (!(Math.abs(values[i]) < limit)) {
        throw new ModelFormatException(
            "The merged %s has a weight of %s, which %s cannot hold; save it in another type"
                .formatted(name, values[i], type));
      }
    }
  }

  private static String hubName(Dtype type) {
    return switch (type) {
      case F32 -> "float32";
      case F16 -> "float16";
      case BF16 -> "bfloat16";
      default -> throw new IllegalArgumentException("A model is F32, F16 or BF16, not " + type);
    };
  }

  /** A head that was tied to the embedding and no longer equals it. */
  private boolean headIsUntied() {
    if (!model.config().tieWordEmbeddings()) {
      return false;
    }
    ModuleSpec head = model.architecture().head();
    String embedding = model.architecture().embedding().weight();
    boolean embeddingLeft =
        adapter.saved(embedding) != null && !adapter.config().ensureWeightTying();
    return embeddingLeft
        || adapter.saved(head.weight()) != null
        || adapter.pair(head.path()) != null;
  }

  private void addUntiedHead(ShardedModelWriter writer, ModelWeights base) {
    ModuleSpec head = model.architecture().head();
    Dtype ofEmbedding = base.info(model.architecture().embedding().weight()).dtype();
    addFloats(
        writer,
        head.weight(),
        typeFor(ofEmbedding),
        model.head().weight().value(),
        adapter.pair(head.path()));
  }

  private void copyRest(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> entries = Files.list(model.folder())) {
      files = entries.filter(Files::isRegularFile).sorted().toList();
    }
    for (Path file : files) {
      String name = file.getFileName().toString();
      if (!WEIGHTS.matcher(name).matches() && !NOT_COPIED.contains(name)) {
        Files.copy(file, folder.resolve(name));
      }
    }
  }

  /** {@code W + scale · B A}, computed a band of rows at a time when the file is written. */
  private record MergedWeight(Device device, Tensor weight, LoraPair pair) implements FloatSource {

    @Override
    public void readFloats(long first, float[] destination, int at, int count) {
      long columns = weight.dim(1);
      long fromRow = first / columns;
      long toRow = (first + count + columns - 1) / columns;
      Tensor band = device.allocate(toRow - fromRow, columns);
      try {
        device.copy(weight.rows(fromRow, toRow), band);
        device.matmul(
            pair.b().value().rows(fromRow, toRow),
            false,
            pair.a().value(),
            false,
            pair.scale(),
            1,
            band);
        device.download(band.view(first - fromRow * columns, count), destination, at);
      } finally {
        band.close();
      }
    }
  }
}
