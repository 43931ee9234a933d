package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileSystem;
import org.sinklora.data.BundledModel;

/**
 * Texts, model, data set, run and result below a folder of another file system: nothing but caches
 * on this machine.
 */
final class RemoteRun {
  private static final int TEXTS = 20;
  private static final JsonMapper JSON = new JsonMapper();

  private final String root;
  private final Storage storage = Storage.here();

  RemoteRun(String root) {
    this.root = root;
  }

  private String at(String path) {
    return Storage.child(root, path);
  }

  private static org.apache.hadoop.fs.Path hadoop(String path) {
    return new org.apache.hadoop.fs.Path(path);
  }

  /** Texts and model. */
  void upload(FileSystem fileSystem) throws IOException {
    fileSystem.mkdirs(hadoop(at("texts")));
    fileSystem.copyFromLocalFile(
        hadoop(BundledModel.folder().toUri().toString()), hadoop(at("model")));
    fileSystem.create(hadoop(at("model/pytorch_model.bin"))).close();
    try (Stream<Path> texts = Files.walk(SampleData.SOURCES)) {
      for (Path text : texts.filter(Files::isRegularFile).sorted().limit(TEXTS).toList()) {
        String target = at("texts/" + text.getFileName());
        fileSystem.copyFromLocalFile(hadoop(text.toUri().toString()), hadoop(target));
      }
    }
  }

  private Object[] train() {
    return new Object[] {
      "train",
      "--master",
      "local[2]",
      "--data",
      at("data"),
      "--model",
      at("model"),
      "--output",
      at("run"),
      "--context",
      64,
      "--group-size",
      16,
      "--batch-size",
      2,
      "--steps",
      3,
      "--checkpoint-every",
      1,
      "--json",
      at("result.json")
    };
  }

  /** Prepares, trains, resumes and evaluates. */
  void run() throws IOException {
    Cli.succeed(
        "prepare",
        "--master",
        "local[2]",
        "--input",
        at("texts"),
        "--extensions",
        ".java",
        "--held-out",
        "0.3",
        "--model",
        at("model"),
        "--output",
        at("data"));
    JsonNode info = JSON.readTree(storage.readText(at("data/" + DataSetInfo.FILE)));
    assertEquals(
        TEXTS, info.at("/train/rows").asInt() + info.at("/heldOut/rows").asInt(), info.toString());

    Cli.succeed(train());
    String weights = at("run/adapter/adapter_model.safetensors");
    byte[] adapter = storage.readBytes(weights);
    assertEquals(
        List.of("step-00000002", "step-00000003"),
        storage.folders(at("run/checkpoints")).stream().map(Storage::name).toList());

    // As a run that was killed behind its second step, while it wrote the third checkpoint.
    storage.delete(at("run/adapter"));
    storage.delete(at("run/checkpoints/step-00000003/" + CheckpointManifest.FILE));
    Cli.succeed(SampleData.with(train(), "--resume"));
    assertEquals(2, JSON.readTree(storage.readText(at("result.json"))).path("resumed_at").asInt());
    assertArrayEquals(adapter, storage.readBytes(weights));
    assertEquals(3, storage.readText(at("run/metrics.jsonl")).lines().count());
    assertEquals(2, storage.list(at("run/tensorboard")).size(), "a file of events for each part");
    assertTrue(storage.readText(at("run/report.html")).contains("<dd>3</dd>"), "three steps");

    Cli.succeed(
        "eval",
        "perplexity",
        "--master",
        "local[2]",
        "--data",
        at("data"),
        "--adapter",
        at("run/adapter"),
        "--lengths",
        "64",
        "--documents",
        "2",
        "--json",
        at("perplexity.json"));
    assertEquals(
        2,
        JSON.readTree(storage.readText(at("perplexity.json"))).at("/perplexity/0/windows").asInt());

    assertEquals(List.of(), hidden(), "nothing half-written is left");
  }

  private List<String> hidden() throws IOException {
    return storage.allFiles(root).stream()
        .map(StoredFile::path)
        .filter(file -> file.contains("/._"))
        .toList();
  }
}
