package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.sinklora.compute.CpuDevice;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.DecodeBench;
import org.sinklora.h2o.KvCachePolicy;
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
      "  sinklora bench decode --kv full --kv streaming:sinks=4,recent=512 --lengths 512,4096"
    })
final class BenchDecode implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Mixin private CommonOptions.Model model;

  @Option(
      names = "--kv",
      paramLabel = "POLICY",
      description = "Policy of the cache; may be repeated. Default: full and H2O at 20 %%.")
  private List<String> policies = List.of("full", "h2o:heavy=0.1,recent=0.1");

  @Option(
      names = "--lengths",
      split = ",",
      paramLabel = "TOKENS",
      defaultValue = "2000",
      description = "Lengths of the prompt. Default: ${DEFAULT-VALUE}.")
  private List<Integer> lengths;

  @Option(
      names = "--tokens",
      defaultValue = "500",
      description = "Tokens to generate after each. Default: ${DEFAULT-VALUE}.")
  private int tokens;

  @Option(
      names = "--sequences",
      defaultValue = "1",
      description = "Sequences that decode together. Default: ${DEFAULT-VALUE}.")
  private int sequences;

  @Option(
      names = "--weights",
      defaultValue = "float32",
      description = "How weights are stored: ${COMPLETION-CANDIDATES}.")
  private WeightPrecision weights;

  @Option(
      names = "--kv-precision",
      defaultValue = "float32",
      description = "How keys and values are stored: ${COMPLETION-CANDIDATES}.")
  private CachePrecision cachePrecision;

  @Option(names = "--threads", defaultValue = "0", description = "Default: all cores.")
  private int threads;

  @Mixin private CommonOptions common;

  BenchDecode() {}

  @Override
  public Integer call() throws Exception {
    Configuration hadoop = new Configuration();
    ModelSource source = ModelSource.of(model.location(), hadoop);
    int workers = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    List<KvCachePolicy> parsed = policies.stream().map(KvCachePolicy::parse).toList();
    try (CpuDevice device = new CpuDevice(workers);
        CausalLm loaded = CausalLm.load(source.folder(hadoop), source.config(), device)) {
      List<DecodeBench.Row> rows =
          new DecodeBench(loaded, workers, weights, cachePrecision, sequences, tokens)
              .run(parsed, lengths);
      DecodeBench.print(rows, spec.commandLine().getOut());
      ObjectNode json = new JsonMapper().createObjectNode();
      json.set("decode", new JsonMapper().valueToTree(rows));
      common.writeJson(json);
    }
    return 0;
  }
}
