package org.sinklora.h2o;

import java.util.Map;

/**
 * How a token is chosen from the logits. Changes apply in Hugging Face's order: repetition penalty,
 * bias, temperature, top-k, top-p.
 *
 * @param temperature what logits are divided by; 0 takes the most probable token always
 * @param topK choose among this many of the most probable; 0 for all
 * @param topP choose among the fewest most probable tokens that hold this probability; 1 for all
 * @param seed decides the draws: the same request with the same seed gives the same tokens
 * @param repetitionPenalty what positive logits of tokens already in the text are divided by, and
 *     negative ones multiplied (CTRL, arXiv 1909.05858); 1 for none
 * @param logitBias what is added to the logits of some tokens
 */
public record Sampling(
    double temperature,
    int topK,
    double topP,
    long seed,
    double repetitionPenalty,
    Map<Integer, Float> logitBias) {

  /**
   * @throws IllegalArgumentException if a value is out of its range
   */
  public Sampling {
    require(temperature >= 0 && temperature < 1e6, "temperature", temperature, "a number from 0");
    require(topK >= 0, "top-k", topK, "a number from 0, which is off");
    require(topP > 0 && topP <= 1, "top-p", topP, "above 0, at most 1");
    require(
        repetitionPenalty > 0 && repetitionPenalty < 1e6,
        "repetition penalty",
        repetitionPenalty,
        "a number above 0");
    logitBias = Map.copyOf(logitBias);
    for (Map.Entry<Integer, Float> bias : logitBias.entrySet()) {
      boolean usable = bias.getValue() < Float.POSITIVE_INFINITY;
      require(usable, "logit bias of token " + bias.getKey(), bias.getValue(), "a number");
    }
  }

  private static void require(boolean holds, String what, Object value, String expected) {
    if (!holds) {
      throw new IllegalArgumentException("%s is %s; expected %s".formatted(what, value, expected));
    }
  }

  /** Always the most probable token. */
  public static Sampling greedy() {
    return new Sampling(0, 0, 1, 0, 1, Map.of());
  }

  /** Draws from what top-k and top-p leave. */
  public static Sampling of(double temperature, int topK, double topP, long seed) {
    return new Sampling(temperature, topK, topP, seed, 1, Map.of());
  }

  /** The same with a repetition penalty. */
  public Sampling withRepetitionPenalty(double penalty) {
    return new Sampling(temperature, topK, topP, seed, penalty, logitBias);
  }

  /** The same with a bias on the logits of some tokens. */
  public Sampling withLogitBias(Map<Integer, Float> bias) {
    return new Sampling(temperature, topK, topP, seed, repetitionPenalty, bias);
  }
}
