package org.sinklora.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The data sets that a run trains on.
 *
 * @param sources at least one; their weights add up to 1
 */
record DataMix(List<Source> sources) implements Serializable {

  /**
   * One of them.
   *
   * @param location of the data set
   * @param weight share of the run's sequences that are drawn from it
   */
  record Source(String location, double weight) implements Serializable {}

  /** A single data set. */
  static DataMix of(String location) {
    return new DataMix(List.of(new Source(location, 1)));
  }

  /**
   * @param weights one for each location, in any unit; none for equal shares
   * @throws UserException if they do not fit
   */
  static DataMix of(List<String> locations, List<Double> weights) {
    if (!weights.isEmpty() && weights.size() != locations.size()) {
      throw new UserException(
          "--mix has %d weights for %d data sets (%s); give one for each --data, in their order"
              .formatted(weights.size(), locations.size(), String.join(", ", locations)));
    }
    List<Double> chosen = weights.isEmpty() ? Collections.nCopies(locations.size(), 1.0) : weights;
    double sum = 0;
    for (int i = 0; i < locations.size(); i++) {
      double weight = chosen.get(i);
      if (!(weight > 0) || Double.isInfinite(weight)) {
        throw new UserException(
            "--mix gives %s the weight %s; choose a number above 0, or leave out that --data"
                .formatted(locations.get(i), weight));
      }
      sum += weight;
    }
    List<Source> sources = new ArrayList<>();
    for (int i = 0; i < locations.size(); i++) {
      sources.add(new Source(locations.get(i), chosen.get(i) / sum));
    }
    return new DataMix(List.copyOf(sources));
  }
}
