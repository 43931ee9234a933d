package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.RopeScaling;
import org.sinklora.lora.YarnScaling;

/** A training to a longer context, and what the merged model says of it. */
class RopeScalingTest {
  private static final int TRAINED = 512;

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({"dynamic,512", "yarn,640"})
  void theMergedModelHasTheScalingOfTheTraining(String type, int maxPositions) throws IOException {
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
    Path merged = folder.resolve("merged");
    Cli.succeed(
        "export", "--adapter", run.resolve("adapter"), "--format", "merged", "--output", merged);
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
  }
}
