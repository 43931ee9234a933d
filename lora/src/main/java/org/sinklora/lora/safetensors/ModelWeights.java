package org.sinklora.lora.safetensors;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The weights of a model or adapter folder, whether they lie in one safetensors file or in shards.
 *
 * <p>Pickle files ({@code .bin}, {@code .pt}) can run code when they are loaded and are never read.
 */
public final class ModelWeights implements AutoCloseable {
  private static final String MODEL_FILE = "model.safetensors";
  private static final String INDEX_FILE = "model.safetensors.index.json";
  private static final String ADAPTER_FILE = "adapter_model.safetensors";
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION).build();

  private final Path source;
  private final List<SafeTensorsFile> files;
  private final Map<String, SafeTensorsFile> fileOf;

  private ModelWeights(
      Path source, List<SafeTensorsFile> files, Map<String, SafeTensorsFile> fileOf) {
    this.source = source;
    this.files = files;
    this.fileOf = fileOf;
  }

  /**
   * Opens {@code model.safetensors}, or the shards that {@code model.safetensors.index.json} names.
   *
   * @param folder a Hugging Face model folder
   * @throws SafeTensorsException if it holds neither, only a pickle file, or malformed ones
   * @throws IOException if a file cannot be read
   */
  public static ModelWeights open(Path folder) throws IOException {
    if (Files.isRegularFile(folder.resolve(MODEL_FILE))) {
      return openFile(folder.resolve(MODEL_FILE));
    }
    if (Files.isRegularFile(folder.resolve(INDEX_FILE))) {
      return openShards(folder);
    }
    throw absent(folder, MODEL_FILE + " or " + INDEX_FILE);
  }

  /**
   * Opens {@code adapter_model.safetensors}.
   *
   * @param folder a PEFT adapter folder
   * @throws SafeTensorsException if it is absent or malformed
   * @throws IOException if it cannot be read
   */
  public static ModelWeights openAdapter(Path folder) throws IOException {
    if (Files.isRegularFile(folder.resolve(ADAPTER_FILE))) {
      return openFile(folder.resolve(ADAPTER_FILE));
    }
    throw absent(folder, ADAPTER_FILE);
  }

  /**
   * Opens one file.
   *
   * @throws SafeTensorsException if it is malformed
   * @throws IOException if it cannot be read
   */
  public static ModelWeights openFile(Path file) throws IOException {
    SafeTensorsFile opened = SafeTensorsFile.open(file);
    Map<String, SafeTensorsFile> fileOf = new LinkedHashMap<>();
    opened.names().forEach(name -> fileOf.put(name, opened));
    return new ModelWeights(file, List.of(opened), fileOf);
  }

  /** Names of all tensors. */
  public Set<String> names() {
    return Collections.unmodifiableSet(fileOf.keySet());
  }

  /** Whether there is a tensor of this name. */
  public boolean contains(String name) {
    return fileOf.containsKey(name);
  }

  /**
   * Type and shape of a tensor.
   *
   * @throws SafeTensorsException if there is none of this name
   */
  public TensorInfo info(String name) {
    return file(name).info(name);
  }

  /** Copies float values; see {@link SafeTensorsFile#readFloats}. */
  public void readFloats(String name, long firstElement, float[] destination, int at, int count) {
    file(name).readFloats(name, firstElement, destination, at, count);
  }

  /** The bytes of a tensor as they are; see {@link SafeTensorsFile#bytes}. */
  public List<ByteBuffer> bytes(String name) {
    return file(name).bytes(name);
  }

  @Override
  public void close() {
    files.forEach(SafeTensorsFile::close);
  }

  private SafeTensorsFile file(String name) {
    SafeTensorsFile file = fileOf.get(name);
    if (file == null) {
      throw new SafeTensorsException(
          "%s: no tensor is called %s; it holds %d others".formatted(source, name, fileOf.size()));
    }
    return file;
  }

  private static ModelWeights openShards(Path folder) throws IOException {
    Path index = folder.resolve(INDEX_FILE);
    Map<String, String> shardOf = readIndex(index);
    Map<String, SafeTensorsFile> shards = new LinkedHashMap<>();
    try {
      for (String shard : new TreeSet<>(shardOf.values())) {
        if (!Files.isRegularFile(folder.resolve(shard))) {
          throw new SafeTensorsException(
              "%s: the shard %s is not in the folder; download it again".formatted(index, shard));
        }
        shards.put(shard, SafeTensorsFile.open(folder.resolve(shard)));
      }
      Map<String, SafeTensorsFile> fileOf = new LinkedHashMap<>();
      shardOf.forEach(
          (name, shard) -> {
            if (!shards.get(shard).names().contains(name)) {
              throw new SafeTensorsException(
                  "%s: tensor %s should be in %s and is not".formatted(index, name, shard));
            }
            fileOf.put(name, shards.get(shard));
          });
      return new ModelWeights(folder, List.copyOf(shards.values()), fileOf);
    } catch (IOException | RuntimeException e) {
      shards.values().forEach(SafeTensorsFile::close);
      throw e;
    }
  }

  private static Map<String, String> readIndex(Path index) throws IOException {
    JsonNode root;
    try {
      root = JSON.readTree(Files.readAllBytes(index));
    } catch (JsonProcessingException e) {
      throw new SafeTensorsException(
          "%s: not valid JSON: %s".formatted(index, e.getOriginalMessage()), e);
    }
    JsonNode map = root.path("weight_map");
    if (!map.isObject() || map.isEmpty()) {
      throw new SafeTensorsException(
          index + ": weight_map is missing or empty; it should map every tensor to its shard");
    }
    Map<String, String> shardOf = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String shard = entry.getValue().asText();
      if (!entry.getValue().isTextual() || !isPlainFileName(shard)) {
        throw new SafeTensorsException(
            "%s: tensor %s is said to be in %s; expected the name of a .safetensors file in the"
                    .formatted(index, entry.getKey(), entry.getValue())
                + " same folder");
      }
      shardOf.put(entry.getKey(), shard);
    }
    return shardOf;
  }

  /** An index comes from whoever made the model: it may not lead out of the folder. */
  private static boolean isPlainFileName(String name) {
    return name.endsWith(".safetensors")
        && !name.startsWith(".")
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
  }

  private static SafeTensorsException absent(Path folder, String expected) throws IOException {
    if (!Files.isDirectory(folder)) {
      return new SafeTensorsException(folder + ": there is no such folder");
    }
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .map(entry -> entry.getFileName().toString())
          .filter(name -> name.matches(".*\\.(bin|bin\\.index\\.json|pt|pth|ckpt)"))
          .sorted()
          .findFirst()
          .map(
              pickle ->
                  new SafeTensorsException(
                      "%s: %s is in Python's pickle format, which can run code and is not read."
                              .formatted(folder, pickle)
                          + " Convert it once in Python: safetensors.torch.save_file(torch.load("
                          + "'%s', weights_only=True), '%s')"
                              .formatted(pickle, expected.split(" ", 2)[0])))
          .orElseGet(
              () -> new SafeTensorsException("%s: there is no %s".formatted(folder, expected)));
    }
  }
}
