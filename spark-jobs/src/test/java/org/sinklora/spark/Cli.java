package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * A run of the command line in this process.
 *
 * @param code exit code
 * @param out what it printed
 * @param err what it complained of
 */
record Cli(int code, String out, String err) {

  static Cli run(Object... arguments) {
    List<String> words = new ArrayList<>();
    for (Object argument : arguments) {
      words.add(argument.toString());
    }
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        SinkLora.run(
            new PrintWriter(out, true), new PrintWriter(err, true), words.toArray(String[]::new));
    return new Cli(code, out.toString(), err.toString());
  }

  /** The same for a run that must succeed. */
  static Cli succeed(Object... arguments) {
    Cli cli = run(arguments);
    assertEquals(0, cli.code(), cli.err());
    return cli;
  }
}
