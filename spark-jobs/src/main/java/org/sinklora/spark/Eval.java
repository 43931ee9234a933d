package org.sinklora.spark;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The evaluations. */
@Command(
    name = "eval",
    mixinStandardHelpOptions = true,
    description = "Evaluates a model with or without an adapter.",
    subcommands = EvalPerplexity.class)
final class Eval implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(), "Which evaluation? There is: perplexity");
  }
}
