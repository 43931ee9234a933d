package org.sinklora.sfattn;

import java.util.ArrayList;
import java.util.List;

/** A pattern and the shape of what it is tried on. */
record AttentionCase(
    AttentionPattern pattern, int length, int heads, int keyValueHeads, int headDim) {

  /** Every length with every group size; ratios, sinks, heads and dimensions take turns. */
  static List<AttentionCase> all() {
    int[] lengths = {1, 7, 64, 65, 200, 1000};
    int[] groupSizes = {16, 22, 64, 128, 2000};
    double[] ratios = {0, 0.25, 0.5, 1};
    int[] sinks = {0, 1, 4, 70};
    int[][] heads = {{4, 2}, {8, 4}, {6, 1}, {1, 1}, {2, 2}};
    int[] headDims = {16, 20, 32, 64, 3};
    List<AttentionCase> cases = new ArrayList<>();
    int turn = 0;
    for (int length : lengths) {
      List<AttentionPattern> patterns = new ArrayList<>();
      patterns.add(AttentionPattern.full());
      for (int groupSize : groupSizes) {
        for (int i = 0; i < 3; i++, turn++) {
          patterns.add(
              AttentionPattern.sinkFixed(
                  groupSize, ratios[turn % 4], sinks[(turn + turn / 4) % 4]));
        }
        if (length % groupSize == 0) {
          patterns.add(AttentionPattern.s2Cyclic(groupSize));
        }
      }
      if (length == 200) {
        patterns.add(AttentionPattern.s2Cyclic(50));
      }
      for (int i = 0; i < patterns.size(); i++) {
        int[] counts = heads[i % heads.length];
        int dim = headDims[(i + i / heads.length) % headDims.length];
        cases.add(new AttentionCase(patterns.get(i), length, counts[0], counts[1], dim));
      }
    }
    cases.add(new AttentionCase(AttentionPattern.s2Cyclic(200), 1000, 4, 2, 32));
    cases.add(new AttentionCase(AttentionPattern.sinkFixed(64, 0.25, 4), 200, 4, 2, 96));
    cases.add(new AttentionCase(AttentionPattern.sinkFixed(128, 0.5, 4), 200, 2, 1, 128));
    cases.add(new AttentionCase(AttentionPattern.sinkFixed(128, 0.5, 4), 200, 2, 1, 256));
    return cases;
  }
}
