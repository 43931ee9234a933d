package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Which model the rows of a batch belong to: runs of rows with the same adapter. */
final class CudaRowGroups {

  /**
   * Neighbouring rows.
   *
   * @param from first row
   * @param to behind the last
   */
  record Run(CudaModel model, int from, int to) {
    int rows() {
      return to - from;
    }
  }

  /**
   * Runs whose models share the weights of some linears.
   *
   * @param runs side by side
   */
  record Shared(List<Run> runs) {
    int from() {
      return runs.get(0).from();
    }

    int rows() {
      return runs.get(runs.size() - 1).to() - from();
    }
  }

  private final List<Run> runs = new ArrayList<>();

  CudaRowGroups(List<CudaModel> models) {
    for (int row = 0; row < models.size(); ) {
      int end = row + 1;
      while (end < models.size() && models.get(end) == models.get(row)) {
        end++;
      }
      runs.add(new Run(models.get(row), row, end));
      row = end;
    }
  }

  List<Run> runs() {
    return runs;
  }

  /** Runs together wherever they read the same weights: those are then read once. */
  List<Shared> sharing(Function<CudaModel, List<CudaLinear>> linears) {
    List<Shared> all = new ArrayList<>();
    List<Run> open = new ArrayList<>();
    for (Run run : runs) {
      boolean same =
          open.isEmpty()
              || sameWeights(linears.apply(open.get(0).model()), linears.apply(run.model()));
      if (!same) {
        all.add(new Shared(List.copyOf(open)));
        open.clear();
      }
      open.add(run);
    }
    all.add(new Shared(List.copyOf(open)));
    return all;
  }

  private static boolean sameWeights(List<CudaLinear> some, List<CudaLinear> others) {
    for (int i = 0; i < some.size(); i++) {
      // The store hands out one matrix for all that share a weight.
      if (some.get(i).weight() != others.get(i).weight()) {
        return false;
      }
    }
    return true;
  }
}
