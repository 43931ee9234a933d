package org.sinklora.spark;

import java.util.ArrayList;
import java.util.List;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.QualityBench;
import org.sinklora.h2o.RopePositions;
import org.sinklora.h2o.ScoringOptions;
import org.sinklora.h2o.TokenCount;

/**
 * How one table of {@code bench quality} reads its documents.
 *
 * @param length tokens of a document
 * @param prompt tokens of it that are read at once and not scored; 1 for none but the first, which
 *     nothing predicts
 * @param policies compared with the full cache
 */
record QualityProtocol(int length, int prompt, List<String> policies) {
  private static final String FULL = "full";
  private static final String SNAP_KV = "snapkv";

  /**
   * The tables of a run.
   *
   * @param prompt tokens of the prompt; 0 for one table without and one with half the document
   * @param policies null for all
   * @throws UserException if a prompt is as long as its document, or too short for the policies
   */
  static List<QualityProtocol> of(int length, int prompt, List<String> policies) {
    if (prompt < 0 || prompt >= length) {
      throw new UserException(
          "--prompt is %,d; expected 1 to %,d, one less than a document has tokens"
              .formatted(prompt, length - 1));
    }
    List<String> all = policies == null ? List.of("h2o", SNAP_KV, "streaming") : policies;
    List<QualityProtocol> protocols = new ArrayList<>();
    for (int each : prompt == 0 ? new int[] {1, length / 2} : new int[] {prompt}) {
      // Without a prompt there is nothing that snapkv cuts: it would be the full cache.
      List<String> cutting =
          all.stream().filter(policy -> each > 1 || !policy.equals(SNAP_KV)).toList();
      if (!cutting.isEmpty()) {
        protocols.add(new QualityProtocol(length, each, cutting));
      }
    }
    if (protocols.isEmpty()) {
      throw new UserException(
          "snapkv cuts a prompt, and with --prompt 1 there is none; take a longer --prompt");
    }
    return protocols;
  }

  /** What the table says of itself. */
  String description(int documents) {
    return prompt == 1
        ? "%,d documents of %,d tokens, every token but the first decoded and scored; shares are of the document:"
            .formatted(documents, length)
        : "%,d documents of %,d tokens, the first %,d read at once as prompt, the others decoded and scored; shares are of the prompt, and snapkv keeps what comes after it besides:"
            .formatted(documents, length, prompt);
  }

  /** The full cache, then every policy with every budget. */
  List<ScoringOptions> options(
      List<TokenCount> budgets,
      double heavy,
      CachePrecision precision,
      List<RopePositions> positions) {
    int whole = prompt == 1 ? length : prompt;
    List<ScoringOptions> options = new ArrayList<>();
    for (RopePositions rope : positions) {
      KvCachePolicy full = QualityBench.policy(FULL, TokenCount.ofPrompt(1), whole, heavy);
      options.add(new ScoringOptions(full, precision, rope, prompt));
      for (String name : policies) {
        for (TokenCount budget : name.equals(FULL) ? List.<TokenCount>of() : budgets) {
          KvCachePolicy policy = QualityBench.policy(name, budget, whole, heavy);
          options.add(new ScoringOptions(policy, precision, rope, prompt));
        }
      }
    }
    return options;
  }

  /**
   * How a stream is read: from its first token on, one by one.
   *
   * @param trained the model's context, which budgets have to fit
   * @param policies null for those that bound a stream
   * @throws UserException if a budget exceeds the context, or a policy has no use for a stream
   */
  static List<ScoringOptions> ofStream(
      int trained,
      List<String> policies,
      List<TokenCount> budgets,
      double heavy,
      CachePrecision precision,
      List<RopePositions> positions) {
    List<ScoringOptions> options = new ArrayList<>();
    for (String name : policies == null ? List.of("streaming", "h2o") : policies) {
      if (name.equals(SNAP_KV)) {
        throw new UserException(
            "snapkv cuts a prompt and lets the rest grow: it does not bound a stream; take --policies streaming,h2o");
      }
      for (TokenCount budget : name.equals(FULL) ? List.of(TokenCount.ofPrompt(1)) : budgets) {
        KvCachePolicy policy = QualityBench.policy(name, budget, trained, heavy);
        // One place more: the new token attends before another one goes.
        if (!name.equals(FULL) && policy.capacity() >= trained) {
          throw new UserException(
              "A budget of %,d tokens does not fit the model's context of %,d; take --budgets below it"
                  .formatted(policy.capacity(), trained));
        }
        for (RopePositions rope : positions) {
          options.add(new ScoringOptions(policy, precision, rope, 1));
        }
      }
    }
    return options;
  }
}
