package org.sinklora.spark;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code sinklora} command line. */
@Command(
    name = "sinklora",
    mixinStandardHelpOptions = true,
    version = "sinklora 0.1.0-SNAPSHOT",
    description = "Fine-tunes a causal language model to a longer context with LoRA and SF-Attn.",
    subcommands = {
      Demo.class,
      Prepare.class,
      Train.class,
      Eval.class,
      Report.class,
      Export.class,
      Generate.class,
      Bench.class,
      Bundle.class,
      Doctor.class,
      CommandLine.HelpCommand.class
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora demo",
      "  sinklora prepare --input texts/ --output data/",
      "  sinklora train --data data/ --context 4096 --output run/",
      "  sinklora eval perplexity --data data/ --adapter run/adapter --lengths 512,4096",
      "  sinklora generate --adapter run/adapter --kv h2o:heavy=0.1,recent=0.1 --prompt-file a.txt",
      "  sinklora COMMAND --help"
    })
public final class SinkLora implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  SinkLora() {}

  @Override
  public void run() {
    throw new CommandLine.ParameterException(spec.commandLine(), "Which command?");
  }

  /** Exit code 0: done; 1: it failed; 2: the command line is wrong. */
  public static void main(String[] arguments) {
    System.exit(run(arguments));
  }

  /** For the main classes that {@code spark-submit} starts: one command. */
  static void main(String[] arguments, String... command) {
    List<String> all = new ArrayList<>(List.of(command));
    all.addAll(List.of(arguments));
    System.exit(run(all.toArray(String[]::new)));
  }

  static int run(String... arguments) {
    return run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), arguments);
  }

  static int run(PrintWriter out, PrintWriter err, String... arguments) {
    CommandLine commandLine = new CommandLine(new SinkLora());
    commandLine.setOut(out);
    commandLine.setErr(err);
    commandLine.setCaseInsensitiveEnumValuesAllowed(true);
    commandLine.setParameterExceptionHandler(new UsageErrors());
    commandLine.setExecutionExceptionHandler(new FailureReport());
    SettingsFile.register(commandLine, arguments);
    return commandLine.execute(arguments);
  }
}
