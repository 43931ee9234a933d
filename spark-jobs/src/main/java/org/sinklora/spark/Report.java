package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes the page about a training run. */
@Command(
    name = "report",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Makes a web page with the settings and curves of a training, of one that goes on or was"
            + " interrupted, too. It is one file that needs no network.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora report --run run/",
      "  sinklora report --run hdfs:/run --output run.html"
    })
public final class Report implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--run",
      paramLabel = "FOLDER",
      required = true,
      description = "Output folder of 'train'.")
  private String run;

  @Option(
      names = "--output",
      paramLabel = "FILE",
      description = "The page; replaced. Default: " + TrainingReport.FILE + " in the folder.")
  private String output;

  @Mixin private CommonOptions common;

  Report() {}

  @Override
  public Integer call() throws Exception {
    String page = output == null ? Storage.child(run, TrainingReport.FILE) : output;
    TrainingReport.write(Storage.here(), run, page);
    common.writeJson(new JsonMapper().createObjectNode().put("report", page));
    spec.commandLine().getOut().println("Report: " + page);
    return 0;
  }
}
