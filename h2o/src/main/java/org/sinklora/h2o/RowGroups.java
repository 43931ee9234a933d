package org.sinklora.h2o;

/** Which model the rows of a step belong to: runs of rows with the same adapter. */
final class RowGroups {
  private final DecoderModel[] models;
  private final int[] starts;
  private int count;
  private int rows;

  RowGroups(int maxRows) {
    models = new DecoderModel[maxRows];
    starts = new int[maxRows + 1];
  }

  void clear() {
    count = 0;
    rows = 0;
  }

  /** Appends rows; those of one model should come one after the other. */
  void add(DecoderModel model, int moreRows) {
    if (count == 0 || models[count - 1] != model) {
      models[count] = model;
      starts[count] = rows;
      count++;
    }
    rows += moreRows;
    starts[count] = rows;
  }

  int count() {
    return count;
  }

  int rows() {
    return rows;
  }

  DecoderModel model(int group) {
    return models[group];
  }

  int start(int group) {
    return starts[group];
  }

  int end(int group) {
    return starts[group + 1];
  }
}
