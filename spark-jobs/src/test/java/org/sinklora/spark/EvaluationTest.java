package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.data.SequencePlan.Slice;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.ModelPass;
import org.sinklora.lora.Perplexity;

/** Perplexity over Spark against the single process; exports. */
class EvaluationTest {
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  @Test
  void perplexityIsThatOfASingleProcessAndExportsKeepIt() throws IOException {
    Path run = folder.resolve("run");
    Cli.succeed(SampleData.train(run, "--context", 640, "--steps", 2, "--batch-size", 2));
    Path adapter = run.resolve("adapter");
    JsonNode result = evaluate("--adapter", adapter, "--lengths", "128,640", "--documents", "4");
    assertTrue(result.path("protocol").asText().startsWith("documents"), result.toString());
    assertEquals(2, result.path("perplexity").size());

    Path model = export(adapter, "merged", "merged");
    JsonNode merged = evaluate("--model", model, "--lengths", "128,640", "--documents", "4");
    for (int i = 0; i < 2; i++) {
      JsonNode one = result.path("perplexity").path(i);
      int length = one.path("context").asInt();
      Perplexity expected = single(adapter, length, 4);
      assertEquals(expected.value(), one.path("value").asDouble(), 1e-5 * expected.value());
      assertEquals(expected.standardError(), one.path("standard_error").asDouble(), 1e-6);
      assertEquals(4, one.path("windows").asInt());
      assertEquals(4 * (length - 1), one.path("predictions").asInt());
      // The merged weights are rounded to the base's bfloat16.
      assertEquals(
          expected.value(),
          merged.path("perplexity").path(i).path("value").asDouble(),
          0.02 * expected.value());
    }
    assertEquals(640, ModelConfig.read(model).maxPositionEmbeddings());
    peftIsTheSame(adapter);
    loraIsRefused(adapter);
  }

  private JsonNode evaluate(Object... options) throws IOException {
    Path json = folder.resolve("eval.json");
    Cli.succeed(
        SampleData.with(
            new Object[] {"eval", "perplexity", "--data", SampleData.folder(), "--json", json},
            options));
    return JSON.readTree(json.toFile());
  }

  private static Perplexity single(Path adapter, int length, int documents) throws IOException {
    ModelSource source = AdapterFolder.model(adapter.toString(), null, Storage.here());
    try (SparkSession spark = SparkSessions.open("test", "local[1]");
        CpuDevice device = new CpuDevice(2);
        Tokenizer tokenizer = Tokenizer.load(BundledModel.folder());
        CausalLm base = CausalLm.load(BundledModel.folder(), source.config(), device);
        LoraAdapter loaded = LoraAdapter.load(adapter, base);
        ModelPass pass = new ModelPass(base.withAdapter(loaded))) {
      TokenDataSet set =
          ParquetTokens.open(
              spark, SampleData.folder().toString(), Split.HELD_OUT, tokenizer.fingerprint(), 2048);
      List<Slice> slices = new ArrayList<>();
      int[] lengths = set.lengths();
      for (int row = 0; row < lengths.length && slices.size() < documents; row++) {
        if (lengths[row] >= 640) {
          slices.add(new Slice(row, 0, length));
        }
      }
      return Perplexity.of(pass, set.read(slices));
    }
  }

  private Path export(Path adapter, String format, String name) {
    Path output = folder.resolve(name);
    Cli.succeed("export", "--adapter", adapter, "--format", format, "--output", output);
    return output;
  }

  private void peftIsTheSame(Path adapter) throws IOException {
    Path peft = export(adapter, "peft", "peft");
    assertArrayEquals(
        Files.readAllBytes(adapter.resolve("adapter_model.safetensors")),
        Files.readAllBytes(peft.resolve("adapter_model.safetensors")));
    try (var files = Files.list(peft)) {
      assertEquals(
          List.of(
              "README.md",
              "adapter_config.json",
              "adapter_model.safetensors",
              AdapterFolder.CONFIG_FILE),
          files.map(file -> file.getFileName().toString()).sorted().toList());
    }
  }

  private void loraIsRefused(Path adapter) {
    Path output = folder.resolve("lora");
    Cli lossy = Cli.run("export", "--adapter", adapter, "--format", "lora", "--output", output);
    assertEquals(1, lossy.code());
    assertTrue(lossy.err().contains("--allow-lossy"), lossy.err());
    Cli.succeed(
        "export", "--adapter", adapter, "--format", "lora", "--output", output, "--allow-lossy");
  }

  @Test
  void theStreamHasAWindowAtEveryStride() throws IOException {
    JsonNode result =
        evaluate("--protocol", "stream", "--lengths", "64,512", "--stride", "1500", "--tail", "16");
    assertTrue(result.path("protocol").asText().startsWith("stream: windows every 1500"));
    long tokens =
        DataSetInfo.read(Storage.here(), SampleData.folder().toString()).heldOut().tokens();
    for (JsonNode one : result.path("perplexity")) {
      long windows = (tokens - one.path("context").asInt()) / 1500 + 1;
      assertEquals(windows, one.path("windows").asLong());
      assertEquals(16 * windows, one.path("predictions").asLong());
    }
  }
}
