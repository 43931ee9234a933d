package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.ModelFormatException;
import org.sinklora.lora.RopeScaling;
import org.sinklora.lora.YarnScaling;

/** A training to a longer context, and what the merged model says of it. */
class RopeScalingTest {
  private static final int TRAINED = 512;

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({"dynamic,512", "yarn,640"})
  void exportsHaveTheScalingOfTheTraining(String type, int maxPositions) throws IOException {
    Path text = Files.writeString(folder.resolve("a.txt"), "one two three four five ".repeat(400));
    Path run = folder.resolve("run");
    Cli.succeed(
        SampleData.train(
            run,
            "--data",
            text,
            "--master",
            "none",
            "--context",
            640,
            "--rope-scaling",
            type,
            "--steps",
            1,
            "--batch-size",
            1));
    Path peft = export(run.resolve("adapter"), "peft");
    String card = Files.readString(peft.resolve("README.md"));
    for (String said :
        List.of(
            "640 tokens", "\"max_position_embeddings\" : " + maxPositions, type, "\"factor\"")) {
      assertTrue(card.contains(said), said + " in: " + card);
    }
    // As every command that takes an adapter, this one knows the context from the export.
    Path merged = export(peft, "merged");
    ModelConfig config = ModelConfig.read(merged);
    double factor = 640 / (double) TRAINED;
    assertEquals(
        switch (type) {
          case "dynamic" -> new RopeScaling.DynamicNtk(factor, TRAINED);
          default -> YarnScaling.of(factor, TRAINED);
        },
        config.rope().scaling());
    assertEquals(maxPositions, config.maxPositionEmbeddings());
    assertEquals(640, config.contextLength());
    // Of an adapter that PEFT wrote nothing but its base is known.
    Files.delete(peft.resolve(AdapterFolder.CONFIG_FILE));
    assertEquals(
        TRAINED,
        AdapterFolder.model(peft.toString(), null, Storage.here()).config().contextLength());
  }

  @Test
  void aShorterTrainingTakesNothingFromTheMergedModel() throws IOException {
    Path text = Files.writeString(folder.resolve("a.txt"), "one two three four five ".repeat(40));
    Path run = folder.resolve("run");
    Object[] options = {
      "--data", text, "--master", "none", "--context", 64, "--group-size", 16, "--steps", 1
    };
    Cli.succeed(SampleData.train(run, options));
    Path adapter = run.resolve("adapter");
    assertEquals(
        64, AdapterFolder.model(adapter.toString(), null, Storage.here()).config().contextLength());
    assertEquals(TRAINED, ModelConfig.read(export(adapter, "merged")).contextLength());
  }

  @Test
  void aDynamicModelGetsALargerFactorAndIsToldOfNoOtherWay() throws IOException {
    ModelConfig plain = ModelConfig.read(BundledModel.folder());
    plain.withContext(TRAINED, plain.rope().extendedDynamically(1.5, TRAINED)).write(folder);
    ModelSource dynamic = ModelSource.of(folder.toString(), Storage.here());
    assertEquals(768, dynamic.config().contextLength());
    ModelConfig longer = dynamic.extended(1024, "dynamic").config();
    assertEquals(new RopeScaling.DynamicNtk(2, TRAINED), longer.rope().scaling());
    assertEquals(1024, longer.contextLength());
    for (String other : List.of("linear", "yarn", "none")) {
      ModelFormatException refused =
          assertThrows(ModelFormatException.class, () -> dynamic.extended(1024, other));
      assertTrue(
          refused.getMessage().contains("dynamic, which raises its factor"), refused.getMessage());
    }
  }

  private Path export(Path adapter, String format) {
    Path output = folder.resolve(format);
    Cli.succeed("export", "--adapter", adapter, "--format", format, "--output", output);
    return output;
  }
}
