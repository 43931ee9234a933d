package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.sinklora.compute.Device;
import org.sinklora.sfattn.AttentionBench;
import org.sinklora.sfattn.AttentionPattern;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Speed of attention alone. */
@Command(
    name = "attention",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Milliseconds of attention forward, and forward and backward together, on one sequence of"
            + " random numbers.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora bench attention --lengths 1024,4096 --heads 8 --head-dim 32",
      "  sinklora bench attention --device cuda --lengths 8192,32768 --attention sf,full"
    })
final class BenchAttention implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--lengths",
      split = ",",
      paramLabel = "TOKENS",
      defaultValue = "8192",
      description = "Tokens of the sequence; multiples of 8. Default: ${DEFAULT-VALUE}.")
  private List<Integer> lengths;

  @Option(
      names = "--attention",
      split = ",",
      defaultValue = "sf,full",
      description = "full, sf or s2, in groups of a quarter. Default: ${DEFAULT-VALUE}.")
  private List<String> attentions;

  @Option(
      names = "--heads",
      defaultValue = "32",
      description = "Query heads. Default: ${DEFAULT-VALUE}.")
  private int heads;

  @Option(
      names = "--kv-heads",
      defaultValue = "0",
      description = "Key-value heads. Default: as many as query heads.")
  private int keyValueHeads;

  @Option(
      names = "--head-dim",
      defaultValue = "128",
      description = "Components of a head. Default: ${DEFAULT-VALUE}.")
  private int headDim;

  @Option(
      names = "--iterations",
      defaultValue = "20",
      description =
          "Measurements of five runs each, of which the median counts. Default: ${DEFAULT-VALUE}.")
  private int iterations;

  @Option(names = "--threads", defaultValue = "0", description = "Of the CPU. Default: all cores.")
  private int threads;

  @Mixin private DeviceOptions devices;

  @Mixin private CommonOptions common;

  BenchAttention() {}

  @Override
  public Integer call() throws Exception {
    int shared = keyValueHeads > 0 ? keyValueHeads : heads;
    if (heads < 1 || headDim < 1 || iterations < 1 || heads % shared != 0) {
      throw new UserException(
          "--heads %d, --kv-heads %d, --head-dim %d, --iterations %d: at least 1 each, and heads a multiple of kv-heads"
              .formatted(heads, shared, headDim, iterations));
    }
    List<AttentionBench.Row> rows = new ArrayList<>();
    try (Device device = devices.resolve().open(threads);
        AttentionBench bench = new AttentionBench(device, heads, shared, headDim, iterations)) {
      spec.commandLine().getOut().printf("%s, %d heads of %d%n", device.name(), heads, headDim);
      for (int length : lengths) {
        for (String attention : attentions) {
          AttentionBench.Row row = bench.run(pattern(attention, length), length);
          AttentionBench.print(row, spec.commandLine().getOut());
          rows.add(row);
        }
      }
      ObjectNode json = new JsonMapper().createObjectNode();
      json.put("device", device.name());
      json.set("attention", new JsonMapper().valueToTree(rows));
      common.writeJson(json);
    }
    return 0;
  }

  private static AttentionPattern pattern(String name, int length) {
    if (length < 8 || length % 8 != 0) {
      throw new UserException("--lengths has %d; give multiples of 8".formatted(length));
    }
    return AttentionPattern.named(name, length / 4, 0.25, 4);
  }
}
