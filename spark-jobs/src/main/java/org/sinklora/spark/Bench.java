package org.sinklora.spark;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Measures this machine, and what a smaller cache costs. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description =
        "Measures attention, training steps, and decoding: its speed, and what a smaller KV cache costs in"
            + " perplexity.",
    subcommands = {BenchAttention.class, BenchDecode.class, BenchQuality.class, BenchStep.class})
public final class Bench implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  Bench() {}

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(), "What is to be measured: attention, decode, quality or step?");
  }
}
