package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says what this machine offers and what will be used of it. */
@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    description = "Says what this machine offers, what will be used and why.",
    footerHeading = "%nExample:%n",
    footer = "  sinklora doctor --json doctor.json")
public final class Doctor implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;
  @Mixin private CommonOptions common;

  Doctor() {}

  @Override
  public Integer call() throws Exception {
    ObjectNode result = new JsonMapper().createObjectNode();
    boolean sound = true;
    for (Finding finding : Finding.all()) {
      result.putObject(finding.subject()).put("found", finding.found()).put("use", finding.use());
      spec.commandLine()
          .getOut()
          .printf(
              "%-3s %-10s %s%n               -> %s%n",
              finding.sound() ? "ok" : "!!", finding.subject(), finding.found(), finding.use());
      sound &= finding.sound() || !finding.needed();
    }
    common.writeJson(result);
    return sound ? 0 : 1;
  }
}
