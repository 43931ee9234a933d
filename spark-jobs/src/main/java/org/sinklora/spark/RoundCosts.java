package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * The costs of all rounds of a run. The first is left out of the seconds: in it executors start and
 * load the model.
 */
final class RoundCosts {
  private RoundCost last;
  private int rounds;
  private long bytesDown;
  private long bytesUp;
  private double seconds;
  private double computeSeconds;

  void add(RoundCost cost) {
    last = cost;
    bytesDown += cost.bytesDown();
    bytesUp += cost.bytesUp();
    if (rounds++ > 0) {
      seconds += cost.seconds();
      computeSeconds += cost.computeSeconds();
    }
  }

  /** That of the last round; null before the first. */
  RoundCost last() {
    return last;
  }

  /** Adds what a mean round took to the result of a run. */
  void describe(ObjectNode result) {
    if (rounds == 0) {
      return;
    }
    ObjectNode mean = result.putObject("rounds");
    mean.put("count", rounds);
    mean.put("bytes_down", bytesDown / rounds);
    mean.put("bytes_up", bytesUp / rounds);
    if (rounds > 1) {
      mean.put("seconds", seconds / (rounds - 1));
      mean.put("compute_seconds", computeSeconds / (rounds - 1));
      mean.put("added_percent", 100 * (seconds - computeSeconds) / computeSeconds);
    }
  }

  /** The same for people; empty where the result has none. */
  static String line(ObjectNode result) {
    var mean = result.path("rounds");
    if (!mean.has("added_percent")) {
      return "";
    }
    return "Spark added %.1f %% to the computing of a round: %.2f s in all. A round sent %,d KB to each executor, and %,d KB came back.%n"
        .formatted(
            mean.path("added_percent").asDouble(),
            mean.path("seconds").asDouble(),
            mean.path("bytes_down").asLong() / 1000,
            mean.path("bytes_up").asLong() / 1000);
  }
}
