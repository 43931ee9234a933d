package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.sinklora.compute.CpuDevice;
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
          "Lengths of the prompt; on a GPU of the context that caches are filled with. Default:"
              + " ${DEFAULT-VALUE}.")
  private List<Integer> lengths;

  @Option(
      names = "--tokens",
      paramLabel = "TOKENS",
      description = "Tokens to generate after each. Default: 500, on a GPU 50.")
  private Integer tokens;

  @Option(
      names = "--device",
      defaultValue = "cpu",
      description =
          "${COMPLETION-CANDIDATES}. On a GPU caches are filled with random keys and values instead"
              + " of a prompt. Default: ${DEFAULT-VALUE}.")
  private BenchDevice device;

  @Option(
      names = "--random-weights",
      paramLabel = "SHAPE",
      description =
          "On a GPU: random weights of a known shape instead of a model: ${COMPLETION-CANDIDATES}.")
  private NamedShape randomWeights;

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

  @Mixin private CommonOptions common;

  BenchDecode() {}

  /** Where decoding is measured. */
  enum BenchDevice {
    CPU,
    CUDA
  }

  @Override
  public Integer call() throws Exception {
    if (device == BenchDevice.CUDA) {
      common.writeJson(measureGpu());
      return 0;
    }
    if (randomWeights != null) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--random-weights are made on a GPU: add --device cuda");
    }
    weights = weights == null ? WeightPrecision.FLOAT32 : weights;
    cachePrecision = cachePrecision == null ? CachePrecision.FLOAT32 : cachePrecision;
    Configuration hadoop = new Configuration();
    ModelSource source = ModelSource.of(model.location(), hadoop);
    int workers = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    try (CpuDevice device = new CpuDevice(workers);
        CausalLm loaded = CausalLm.load(source.folder(hadoop), source.config(), device)) {
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

  private ObjectNode measureGpu() throws Exception {
    GpuDecoding gpu = new GpuDecoding(weights, cachePrecision, tokens == null ? 50 : tokens);
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
