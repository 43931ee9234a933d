package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.sinklora.compute.Device;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.GradientCheckpointing;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.NamedShapes;
import org.sinklora.lora.Quantization;
import org.sinklora.lora.StepBench;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Speed and memory of training. */
@Command(
    name = "step",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Seconds of a training step and the memory it takes: LoRA of rank 8 on the attention's"
            + " linears, embeddings and norms trained, one sequence of random tokens a step.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora bench step --random-weights bundled --lengths 1024 --attention sf,full",
      "  sinklora bench step --random-weights llama2-7b --lengths 8192,32768 --device cuda"
    })
final class BenchStep implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--random-weights",
      paramLabel = "SHAPE",
      defaultValue = "bundled",
      description =
          "Shape of the model, whose weights are random: bundled, llama2-7b, llama2-13b, llama3-8b"
              + " or pythia-1.4b. Default: ${DEFAULT-VALUE}.")
  private String shape;

  @Option(
      names = "--lengths",
      split = ",",
      paramLabel = "TOKENS",
      defaultValue = "1024",
      description = "Tokens of a step. Default: ${DEFAULT-VALUE}.")
  private List<Integer> lengths;

  @Option(
      names = "--attention",
      split = ",",
      defaultValue = "sf,full",
      description = "full, sf or s2, in groups of a quarter. Default: ${DEFAULT-VALUE}.")
  private List<String> attentions;

  @Option(
      names = "--steps",
      defaultValue = "4",
      description = "Steps of a measurement; the first is not counted. Default: ${DEFAULT-VALUE}.")
  private int steps;

  @Option(
      names = "--quantization",
      defaultValue = "none",
      description =
          "How frozen linears are kept: none, or nf4 for 4.5 bits a weight."
              + " Default: ${DEFAULT-VALUE}.")
  private String quantization;

  @Option(
      names = "--gradient-checkpointing",
      paramLabel = "true|false|auto",
      defaultValue = "auto",
      description = "Whether activations are computed again. Default: as memory allows.")
  private String checkpointing;

  @Option(
      names = "--memory-limit",
      paramLabel = "GIB",
      defaultValue = "0",
      description = "Memory that the run may take, weights included. Default: all that is free.")
  private double memoryLimit;

  @Option(names = "--threads", defaultValue = "0", description = "Of the CPU. Default: all cores.")
  private int threads;

  @Mixin private DeviceOptions devices;

  @Mixin private CommonOptions common;

  BenchStep() {}

  @Override
  public Integer call() throws Exception {
    GradientCheckpointing kept = GradientCheckpointing.parse(checkpointing);
    Quantization frozen = Quantization.parse(quantization);
    ModelConfig config = NamedShapes.of(shape);
    List<StepBench.Row> rows = new ArrayList<>();
    try (Device device = devices.resolve().open(threads)) {
      spec.commandLine().getOut().printf("%s, %s, random weights%n", device.name(), shape);
      int longest = lengths.stream().mapToInt(Integer::intValue).max().orElseThrow();
      ModelConfig extended = StepBench.extended(config, longest);
      try (CausalLm model = CausalLm.random(extended, device, 1, frozen)) {
        StepBench bench = new StepBench(model, kept, Math.round(memoryLimit * (1L << 30)), steps);
        for (int length : lengths) {
          // Row by row: what was measured is on the screen, whatever comes of the next.
          for (String attention : attentions) {
            List<StepBench.Row> row = bench.run(List.of(attention), List.of(length));
            StepBench.print(row, spec.commandLine().getOut());
            rows.addAll(row);
          }
        }
      }
      ObjectNode json = new JsonMapper().createObjectNode();
      json.put("device", device.name());
      json.put("model", shape);
      json.put("quantization", quantization);
      json.set("step", new JsonMapper().valueToTree(rows));
      common.writeJson(json);
    }
    return 0;
  }
}
