package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.sinklora.lora.StepResult;

/** One JSON line for each step, readable while the run goes on. */
final class MetricsLog implements AutoCloseable {
  static final String FILE = "metrics.jsonl";
  private static final JsonMapper JSON = new JsonMapper();

  private final OutputStream out;

  /**
   * Begins the file, with the lines of the steps that an earlier part of the run did.
   *
   * @param stepsDone later lines are dropped, since their steps are done again
   */
  MetricsLog(Storage storage, String file, long stepsDone) throws IOException {
    StringBuilder kept = new StringBuilder();
    if (stepsDone > 0 && storage.exists(file)) {
      for (String line : storage.readText(file).lines().toList()) {
        if (isOf(line, stepsDone)) {
          kept.append(line).append('\n');
        }
      }
    }
    out = storage.create(file);
    write(kept.toString());
  }

  /** Whether a line is complete and one of the first steps; a killed process may leave half one. */
  private static boolean isOf(String line, long stepsDone) {
    try {
      return JSON.readTree(line).path("step").asLong(Long.MAX_VALUE) <= stepsDone;
    } catch (JsonProcessingException e) {
      return false;
    }
  }

  /**
   * @param tokens of the step, with and without loss
   * @param round what the round took that ends with the step; null if none does, or nothing is
   *     distributed
   */
  void add(StepResult step, long tokens, double tokensPerSecond, long memoryBytes, RoundCost round)
      throws IOException {
    ObjectNode line = JSON.createObjectNode();
    line.put("step", step.step());
    line.put("loss", step.loss());
    line.put("learning_rate", step.learningRate());
    line.put("grad_norm", step.gradNorm());
    line.put("tokens", tokens);
    line.put("predictions", step.predictions());
    line.put("tokens_per_second", Math.round(tokensPerSecond));
    line.put("memory_mib", memoryBytes >> 20);
    if (round != null) {
      line.put("round_seconds", round.seconds());
      line.put("compute_seconds", round.computeSeconds());
      line.put("bytes_down", round.bytesDown());
      line.put("bytes_up", round.bytesUp());
    }
    write(line + "\n");
  }

  private void write(String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  @Override
  public void close() throws IOException {
    out.close();
  }
}
