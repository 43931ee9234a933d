package org.sinklora.lora;

import java.util.List;
import org.sinklora.sfattn.AttentionPattern;

/** An attention plan and documents it can take. */
record PatternCase(String name, AttentionPlan plan, TokenBatch batch) {

  /** Full, SF and S² attention, and a plan that mixes two of them, over packed documents. */
  static List<PatternCase> all() {
    AttentionPlan sf = AttentionPlan.of(AttentionPattern.sinkFixed(6, 0.25, 2));
    return List.of(
        new PatternCase("full", AttentionPlan.FULL, Variant.batch(1, 19, 1, 11)),
        new PatternCase("sf", sf, Variant.batch(2, 23, 2, 7)),
        new PatternCase(
            "sf with a full layer", sf.withFullAttentionLayers(1), Variant.batch(3, 17, 9)),
        new PatternCase(
            "s2", AttentionPlan.of(AttentionPattern.s2Cyclic(4)), Variant.batch(4, 16, 8)));
  }
}
