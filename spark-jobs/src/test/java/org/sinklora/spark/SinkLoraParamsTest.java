package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.data.BundledModel;
import picocli.CommandLine;

/** The params of Spark ML against the options of the command line. */
class SinkLoraParamsTest {
  private static ModelSource model() throws IOException {
    return ModelSource.of(BundledModel.NAME, Storage.here());
  }

  private static TrainSettings options(String... options) throws IOException {
    return CommandLine.populateCommand(new TrainOptions(), options)
        .resolve(BundledModel.NAME, model().config());
  }

  @Test
  void defaultsAreThoseOfTheCommandLine() throws IOException {
    assertEquals(
        options().toJson(), FrameTraining.settings(new SinkLoraEstimator(), model()).toJson());
  }

  @Test
  void everyParamReachesTheTraining() throws IOException {
    SinkLoraEstimator estimator =
        new SinkLoraEstimator()
            .setContext(1024)
            .setRopeScaling("yarn")
            .setAttention("s2")
            .setGroupSize(128)
            .setSinks(2)
            .setShiftedHeadRatio(0.5)
            .setFullAttentionLayers(0, 3)
            .setFullAttentionTail(0.25)
            .setRank(4)
            .setAlpha(32)
            .setDropout(0.1)
            .setTargetModules("q_proj", "v_proj")
            .setModulesToSave("norm")
            .setQuantization("nf4")
            .setSteps(7)
            .setBatchSize(3)
            .setLearningRate(1e-3)
            .setSchedule("cosine")
            .setWarmupSteps(5)
            .setWeightDecay(0.01)
            .setMaxGradNorm(0.5)
            .setGradientCheckpointing("true")
            .setSyncEvery(4)
            .setWorkers(2)
            .setOuterLearningRate(0.5)
            .setOuterMomentum(0.8)
            .setCommunication("bfloat16")
            .setMemoryLimit(40)
            .setSeed(9);
    TrainSettings expected =
        options(
            "--context=1024",
            "--rope-scaling=yarn",
            "--attention=s2",
            "--group-size=128",
            "--sinks=2",
            "--shifted-head-ratio=0.5",
            "--full-attention-layers=0,3",
            "--full-attention-tail=0.25",
            "--rank=4",
            "--alpha=32",
            "--dropout=0.1",
            "--target-modules=q_proj,v_proj",
            "--modules-to-save=norm",
            "--quantization=nf4",
            "--steps=7",
            "--batch-size=3",
            "--learning-rate=1e-3",
            "--schedule=cosine",
            "--warmup-steps=5",
            "--weight-decay=0.01",
            "--max-grad-norm=0.5",
            "--gradient-checkpointing=true",
            "--sync-every=4",
            "--workers=2",
            "--outer-learning-rate=0.5",
            "--outer-momentum=0.8",
            "--communication=bfloat16",
            "--memory-limit=40",
            "--seed=9");
    assertEquals(expected.toJson(), FrameTraining.settings(estimator, model()).toJson());
    SinkLoraEstimator copy = estimator.copy(new ParamMap().put(estimator.rank().w(16)));
    assertEquals(16, copy.getRank());
    assertEquals(4, estimator.getRank());
    assertEquals(estimator.uid(), copy.uid());
    assertArrayEquals(new int[] {0, 3}, copy.getFullAttentionLayers());
  }

  /** An option that a later change adds to the command line is to be had here too. */
  @Test
  void everyOptionOfTheTrainingHasAParam() {
    SinkLoraEstimator estimator = new SinkLoraEstimator();
    List<String> without =
        Stream.of(new TrainOptions(), new DeviceOptions())
            .map(CommandLine.Model.CommandSpec::forAnnotatedObject)
            .flatMap(options -> options.options().stream())
            .map(option -> FrameTraining.camelCase(option.longestName()))
            .filter(name -> !estimator.hasParam(name))
            .toList();
    assertEquals(List.of(), without);
  }

  @Test
  void theDeviceIsThatOfTheCommandLineButForItsDefault() {
    DeviceOptions standard = FrameTraining.device(new SinkLoraEstimator());
    assertFalse(standard.isAuto() || standard.isGpu());
    assertEquals(CudaPrecision.BFLOAT16, standard.gpuPrecision());
    DeviceOptions set =
        FrameTraining.device(new SinkLoraEstimator().setDevice("cuda:3").setPrecision("float32"));
    assertTrue(set.namesGpu());
    assertEquals(CudaPrecision.FLOAT32, set.gpuPrecision());
    assertTrue(FrameTraining.device(new SinkLoraEstimator().setDevice("auto")).isAuto());
  }

  @Test
  void theDeviceIsSavedAndLoaded(@TempDir Path folder) throws IOException {
    SinkLoraEstimator estimator =
        new SinkLoraEstimator()
            .setDevice("cuda:1")
            .setPrecision("float32")
            .setMemoryLimit(20.5)
            .setPartitions(3)
            .setSequencesPerPass(2);
    String saved = folder.resolve("estimator").toString();
    try (SparkSession spark = SparkSessions.open("test", "local[1]")) {
      estimator.save(saved);
      assertEquals(estimator.explainParams(), SinkLoraEstimator.load(saved).explainParams());
    }
    String explained = estimator.explainParams();
    assertTrue(explained.contains("(default: cpu, current: cuda:1)"), explained);
    assertTrue(explained.contains("if not set, bfloat16 (current: float32)"), explained);
  }

  @Test
  void whatIsSaidOfOptionsIsSaidOfParams() {
    SinkLoraEstimator estimator = new SinkLoraEstimator();
    assertEquals(
        "batchSize is 1; choose another workFolder or --resume; pack again with --pack 5",
        ParamText.ofOptions(
            estimator,
            "--batch-size is 1; choose another --output or --resume; pack again with --pack 5"));
  }

  @Test
  void paramsExplainThemselves() {
    SinkLoraEstimator estimator = new SinkLoraEstimator().setContext(4096);
    String explained = estimator.explainParams();
    assertTrue(
        explained.contains(
            "context: tokens of a sequence; if not set, the model's context (current: 4096)"),
        explained);
    assertTrue(explained.contains("(default: q_proj,k_proj,v_proj,o_proj)"), explained);
    assertTrue(explained.contains("rank: rank of the LoRA updates (default: 8)"), explained);
    assertEquals(44, estimator.params().length);
    List<String> ofModel = Arrays.stream(new SinkLoraModel("m").params()).map(Param::name).toList();
    assertTrue(ofModel.contains("kv"), ofModel.toString());
    assertFalse(ofModel.contains("rank"), "the training is over: " + ofModel);
    assertEquals("perplexity", estimator.getOutputCol());
    assertEquals("generation", estimator.setOutput("generation").getOutputCol());
    assertEquals("p", estimator.setOutputCol("p").getOutputCol());
  }

  @Test
  void wrongValuesAreRefusedWithTheLimit() {
    SinkLoraEstimator estimator = new SinkLoraEstimator();
    refused("context is 1; choose 2 or more", () -> estimator.setContext(1));
    refused("rank is 0; choose 1 or more", () -> estimator.setRank(0));
    refused("learningRate is 0.0; choose a number above 0", () -> estimator.setLearningRate(0));
    refused("alpha is NaN; choose a number above 0", () -> estimator.setAlpha(Double.NaN));
    refused("topP is 1.5; choose a share from 0 to 1", () -> estimator.setTopP(1.5));
    refused("maxGradNorm is -1.0; choose 0 or more", () -> estimator.setMaxGradNorm(-1));
    refused("attention is 'flash'; choose full, sf or s2", () -> estimator.setAttention("flash"));
    refused(
        "output is 'words'; choose perplexity or generation", () -> estimator.setOutput("words"));
    refused("kv is 'h3o': ", () -> estimator.setKv("h3o"));
    refused("device is 'gpu'; choose auto, cpu, cuda or cuda:N", () -> estimator.setDevice("gpu"));
    refused(
        "precision is 'int8'; choose bfloat16 or float32", () -> estimator.setPrecision("int8"));
    refused("partitions is -1; choose 0 or more", () -> estimator.setPartitions(-1));
    refused("sequencesPerPass is 0; choose 1 or more", () -> estimator.setSequencesPerPass(0));
    refused("targetModules is []; choose one name or more", () -> estimator.setTargetModules());
    refused("targetModules is []; choose", () -> estimator.setTargetModules(""));
    refused("schedule is 'step': ", () -> estimator.setSchedule("step"));
    assertFalse(estimator.isSet(estimator.rank()));
  }

  private static void refused(String said, Runnable call) {
    String message = assertThrows(IllegalArgumentException.class, call::run).getMessage();
    assertTrue(message.contains(said), message);
  }
}
