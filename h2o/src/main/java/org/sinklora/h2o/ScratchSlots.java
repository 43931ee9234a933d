package org.sinklora.h2o;

/** Who uses which array of a worker's scratch. */
final class ScratchSlots {
  static final int WEIGHTS = 0;
  static final int LOW_RANK = 1;
  static final int NORMED = 2;
  static final int TILE_SCORES = 3;
  static final int TILE_OUT = 4;
  static final int TILE_MAXIMUM = 5;
  static final int TILE_SUM = 6;
  static final int TILE_RESCALE = 7;
  static final int ACTIVATION = 8;
  static final int SECOND_ACTIVATION = 9;
  static final int TILE_QUERIES = 10;
  static final int KEY_PANEL = 11;
  static final int ROTATED_PANEL = 12;
  static final int VALUE_PANEL = 13;

  private ScratchSlots() {}
}
