package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.sinklora.compute.Device;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.CudaDecodeBench;
import org.sinklora.h2o.DecodeBench;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.StreamTimeBench;
import org.sinklora.h2o.WeightPrecision;
import org.sinklora.lora.CausalLm;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Speed and memory of decoding. */
@Command(
    name = "decode",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Tokens a second, prompt tokens a second and bytes of the cache.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora bench decode",
      "  sinklora bench decode --kv full --kv streaming:sinks=4,recent=512 --lengths 512,4096",
      "  sinklora bench decode --stream-time 100000",
      "  sinklora bench decode --device cuda --random-weights llama2-7b --context 32768 \\",
      "      --kv full --kv h2o:heavy=0.1,recent=0.1 --batch 1"
    })
final class BenchDecode implements Callable<Integer> {
  private static final JsonMapper JSON = new JsonMapper();

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Mixin private CommonOptions.Model model;

  @Option(
      names = "--kv",
      paramLabel = "POLICY",
      description =
          "Policy of the cache; may be repeated. Default: full and H2O at 20 %%; with --stream-time"
              + " H2O and streaming at 20 %%.")
  private List<String> policies;

  @Option(
      names = {"--lengths", "--context"},
      split = ",",
      paramLabel = "TOKENS",
      defaultValue = "2000",
      description =
          "Lengths of the prompt; on a GPU caches are filled with random keys and values of that"
              + " many positions instead. Default: ${DEFAULT-VALUE}.")
  private List<Integer> lengths;

  @Option(
      names = "--tokens",
      paramLabel = "TOKENS",
      description = "Tokens to generate after each. Default: 500, on a GPU 50.")
  private Integer tokens;

  @Option(
      names = "--random-weights",
      paramLabel = "SHAPE",
      description =
          "On a GPU: random weights of a known shape instead of a model: bundled, llama2-7b,"
              + " llama2-13b or llama3-8b.")
  private String randomWeights;

  @Option(
      names = "--stream-time",
      paramLabel = "TOKENS",
      defaultValue = "0",
      description =
          "Instead: generate this many tokens after one prompt, and compare the time of the first"
              + " thousand with that of the last, after a warm-up.")
  private int streamTime;

  @Option(
      names = {"--sequences", "--batch"},
      defaultValue = "1",
      description = "Sequences that decode together. Default: ${DEFAULT-VALUE}.")
  private int sequences;

  @Option(
      names = "--weights",
      description =
          "How weights are stored: ${COMPLETION-CANDIDATES}. Default: float32, on a GPU bfloat16.")
  private WeightPrecision weights;

  @Option(
      names = "--kv-precision",
      description =
          "How keys and values are stored: ${COMPLETION-CANDIDATES}. Default: float32, on a GPU"
              + " bfloat16.")
  private CachePrecision cachePrecision;

  @Option(names = "--threads", defaultValue = "0", description = "Default: all cores.")
  private int threads;

  @Mixin private DeviceOptions deviceOptions;

  @Mixin private CommonOptions common;

  BenchDecode() {}

  @Override
  public Integer call() throws Exception {
    DeviceChoice choice = deviceOptions.resolve();
    if (choice.isGpu()) {
      if (streamTime > 0) {
        throw new UserException("--stream-time is measured on the CPU: add --device cpu");
      }
      common.writeJson(measureGpu(choice));
      return 0;
    }
    if (randomWeights != null) {
      throw new UserException(
          "--random-weights are made on a GPU, and the device is the CPU (%s)"
              .formatted(choice.reason()));
    }
    weights = weights == null ? WeightPrecision.FLOAT32 : weights;
    cachePrecision = cachePrecision == null ? CachePrecision.FLOAT32 : cachePrecision;
    Storage storage = Storage.here();
    ModelSource source = ModelSource.of(model.location(), storage);
    int workers = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    try (Device device = choice.open(workers);
        CausalLm loaded = source.load(storage, device)) {
      common.writeJson(
          streamTime > 0 ? measureStream(loaded, workers) : measureDecoding(loaded, workers));
    }
    return 0;
  }

  private ObjectNode measureDecoding(CausalLm loaded, int workers) {
    List<DecodeBench.Row> rows =
        new DecodeBench(
                loaded, workers, weights, cachePrecision, sequences, tokens == null ? 500 : tokens)
            .run(policies("full", "h2o:heavy=0.1,recent=0.1"), lengths);
    DecodeBench.print(rows, spec.commandLine().getOut());
    return JSON.createObjectNode().set("decode", JSON.valueToTree(rows));
  }

  private ObjectNode measureGpu(DeviceChoice choice) throws Exception {
    GpuDecoding gpu =
        new GpuDecoding(choice, weights, cachePrecision, tokens == null ? 50 : tokens);
    List<KvCachePolicy> wanted = policies("full", "h2o:heavy=0.1,recent=0.1");
    List<CudaDecodeBench.Row> rows =
        randomWeights != null
            ? gpu.ofShape(randomWeights, wanted, lengths, sequences)
            : gpu.ofModel(model.location(), wanted, lengths, sequences);
    CudaDecodeBench.print(rows, spec.commandLine().getOut());
    return JSON.createObjectNode().set("decode", JSON.valueToTree(rows));
  }

  private ObjectNode measureStream(CausalLm loaded, int workers) {
    StreamTimeBench bench = new StreamTimeBench(loaded, workers, weights, cachePrecision);
    List<StreamTimeBench.Row> rows = new ArrayList<>();
    for (int length : lengths) {
      rows.addAll(
          bench.run(
              policies("h2o:heavy=0.1,recent=0.1", "streaming:sinks=4,recent=0.2"),
              length,
              streamTime));
    }
    StreamTimeBench.print(rows, spec.commandLine().getOut());
    return JSON.createObjectNode().set("streamTime", JSON.valueToTree(rows));
  }

  private List<KvCachePolicy> policies(String... otherwise) {
    List<String> texts = policies == null ? List.of(otherwise) : policies;
    return texts.stream().map(KvCachePolicy::parse).toList();
  }
}
