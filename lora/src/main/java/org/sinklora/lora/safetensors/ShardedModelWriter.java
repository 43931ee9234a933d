package org.sinklora.lora.safetensors;

import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * Writes the weights of a model folder: {@code model.safetensors}, or shards and an index once they
 * exceed a size. Tensors fill the shards in the order in which they were added.
 */
public final class ShardedModelWriter {
  /** The shard size of Hugging Face: 5 GB. */
  public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

  private static final JsonMapper JSON = new JsonMapper();

  private final long maxShardBytes;
  private final List<SafeTensorsWriter> shards = new ArrayList<>();
  private final List<List<String>> names = new ArrayList<>();
  private final Set<String> taken = new HashSet<>();
  private long lastShardBytes;
  private long totalBytes;

  /** A writer of shards of 5 GB. */
  public ShardedModelWriter() {
    this(DEFAULT_SHARD_BYTES);
  }

  /**
   * @param maxShardBytes bytes of tensors in a shard; a larger tensor gets a shard of its own
   */
  public ShardedModelWriter(long maxShardBytes) {
    if (maxShardBytes < 1) {
      throw new IllegalArgumentException("A shard of " + maxShardBytes + " bytes holds nothing");
    }
    this.maxShardBytes = maxShardBytes;
  }

  /** Adds a tensor of floats; see {@link SafeTensorsWriter#add}. */
  public ShardedModelWriter add(
      String name, TensorInfo info, SafeTensorsWriter.FloatSource source) {
    shardFor(name, info).add(name, info, source);
    return this;
  }

  /** Adds a tensor to be copied; see {@link SafeTensorsWriter#addBytes}. */
  public ShardedModelWriter addBytes(
      String name, TensorInfo info, Supplier<List<ByteBuffer>> bytes) {
    shardFor(name, info).addBytes(name, info, bytes);
    return this;
  }

  /**
   * Writes the files; the index comes last, so that an interrupted folder cannot be taken for a
   * whole one.
   *
   * @param folder an existing folder
   * @throws IOException if a file cannot be written
   */
  public void write(Path folder) throws IOException {
    if (shards.size() <= 1) {
      SafeTensorsWriter only = shards.isEmpty() ? new SafeTensorsWriter() : shards.get(0);
      only.write(folder.resolve("model.safetensors"));
      return;
    }
    // A reader prefers the single file, so one that is left over would hide the shards.
    Files.deleteIfExists(folder.resolve("model.safetensors"));
    TreeMap<String, String> shardOf = new TreeMap<>();
    for (int i = 0; i < shards.size(); i++) {
      String shard = "model-%05d-of-%05d.safetensors".formatted(i + 1, shards.size());
      shards.get(i).write(folder.resolve(shard));
      names.get(i).forEach(name -> shardOf.put(name, shard));
    }
    ObjectNode index = JSON.createObjectNode();
    index.putObject("metadata").put("total_size", totalBytes);
    ObjectNode map = index.putObject("weight_map");
    shardOf.forEach(map::put);
    byte[] bytes = JSON.writer(new DefaultPrettyPrinter()).writeValueAsBytes(index);
    AtomicFile.write(
        folder.resolve("model.safetensors.index.json"),
        channel -> {
          ByteBuffer buffer = ByteBuffer.wrap(bytes);
          while (buffer.hasRemaining()) {
            channel.write(buffer);
          }
        });
  }

  private SafeTensorsWriter shardFor(String name, TensorInfo info) {
    if (!taken.add(name)) {
      throw new IllegalArgumentException("Tensor " + name + " was already added");
    }
    boolean full = lastShardBytes > 0 && lastShardBytes + info.byteSize() > maxShardBytes;
    if (shards.isEmpty() || full) {
      shards.add(new SafeTensorsWriter());
      names.add(new ArrayList<>());
      lastShardBytes = 0;
    }
    lastShardBytes += info.byteSize();
    totalBytes += info.byteSize();
    names.get(names.size() - 1).add(name);
    return shards.get(shards.size() - 1);
  }
}
