package org.sinklora.spark;

/** The two sides of a data set. */
enum Split {
  TRAIN("train"),
  HELD_OUT("heldout");

  private final String folder;

  Split(String folder) {
    this.folder = folder;
  }

  /** Name of the Parquet folder. */
  String folder() {
    return folder;
  }
}
