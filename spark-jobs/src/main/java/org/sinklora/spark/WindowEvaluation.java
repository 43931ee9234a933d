package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sinklora.lora.Perplexity;
import org.sinklora.lora.WindowLoss;

/** Evaluates windows of several lengths. */
interface WindowEvaluation {

  /**
   * The perplexity by length.
   *
   * @param tokens one behind the other
   * @param starts where the windows of each length begin in them
   */
  Map<Integer, Perplexity> run(int[] tokens, Map<Integer, int[]> starts) throws IOException;

  /** A window: tokens of the stream. */
  record Window(int length, int order, int start) implements Serializable {

    /** All of them, the longest first: what is left at the end is then short. */
    static List<Window> all(Map<Integer, int[]> starts) {
      List<Window> windows = new ArrayList<>();
      starts.forEach(
          (length, positions) -> {
            for (int i = 0; i < positions.length; i++) {
              windows.add(new Window(length, i, positions[i]));
            }
          });
      windows.sort(Comparator.comparingInt(Window::length).reversed());
      return windows;
    }
  }

  /** What a window gave. */
  record Loss(Window window, WindowLoss loss) implements Serializable {

    /** The perplexity by length, whatever the order in which the windows were evaluated. */
    static Map<Integer, Perplexity> summary(List<Loss> losses) {
      Map<Integer, List<Loss>> byLength = new TreeMap<>();
      losses.forEach(
          loss ->
              byLength.computeIfAbsent(loss.window().length(), l -> new ArrayList<>()).add(loss));
      Map<Integer, Perplexity> result = new TreeMap<>();
      byLength.forEach(
          (length, all) ->
              result.put(
                  length,
                  Perplexity.of(
                      all.stream()
                          .sorted(Comparator.comparingInt(loss -> loss.window().order()))
                          .map(Loss::loss)
                          .toList())));
      return result;
    }
  }
}
