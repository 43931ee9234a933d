package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
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
  /** What a model folder holds besides weights and configuration. */
  private static final Set<String> NOT_COPIED = Set.of("config.json", "README.md");

  private final CausalLm model;
  private final Device device;
  private final LoraAdapter adapter;

  private MergedModel(CausalLm model) {
    this.model = model;
    this.device = model.device();
    this.adapter = model.adapter();
  }

  static void write(CausalLm model, Path folder, long shardBytes) throws IOException {
    MergedModel merged = new MergedModel(model);
    AtomicFolder.write(folder, false, fresh -> merged.writeTo(fresh, shardBytes));
  }

  private void writeTo(Path folder, long shardBytes) throws IOException {
    boolean untied = headIsUntied();
    writeConfig(folder, untied);
    copyRest(folder);
    ShardedModelWriter writer = new ShardedModelWriter(shardBytes);
    try (ModelWeights base = ModelWeights.open(model.folder())) {
      for (ModuleSpec module : model.architecture().modules()) {
        for (String name : module.parameters().keySet()) {
          if (base.contains(name)) {
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
    ModelConfig.parse(json, "config.json").write(folder);
  }

  private void add(ShardedModelWriter writer, ModelWeights base, ModuleSpec module, String name) {
    Parameter own = adapter.saved(name);
    LoraPair pair = name.equals(module.weight()) ? adapter.pair(module.path()) : null;
    TensorInfo info = base.info(name);
    if (pair != null) {
      Parameter weight = own != null ? own : model.base().get(name);
      writer.add(name, info, new MergedWeight(device, weight.value(), pair));
    } else if (own != null) {
      writer.add(name, info, valuesOf(own.value()));
    } else {
      writer.addBytes(name, info, () -> base.bytes(name));
    }
  }

  private FloatSource valuesOf(Tensor tensor) {
    return (first, destination, at, count) ->
        device.download(tensor.view(first, count), destination, at);
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
    Dtype dtype = base.info(model.architecture().embedding().weight()).dtype();
    Tensor weight = model.head().weight().value();
    LoraPair pair = adapter.pair(head.path());
    writer.add(
        head.weight(),
        TensorInfo.of(dtype, weight.shape()),
        pair == null ? valuesOf(weight) : new MergedWeight(device, weight, pair));
  }

  private void copyRest(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> entries = Files.list(model.folder())) {
      files = entries.filter(Files::isRegularFile).sorted().toList();
    }
    for (Path file : files) {
      String name = file.getFileName().toString();
      boolean weights = name.contains(".safetensors") || name.endsWith(".bin");
      if (!weights && !NOT_COPIED.contains(name)) {
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
