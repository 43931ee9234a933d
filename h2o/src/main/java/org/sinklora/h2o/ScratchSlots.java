package org.sinklora.h2o;

/** Who uses which array of a worker's scratch. */
final class ScratchSlots {
  static final int WEIGHTS = 0;
  static final int LOW_RANK = 1;
  static final int NORMED = 2;
  static final int SCORES = 3;
  static final int KEYS = 4;
  static final int VALUES = 5;
  static final int ROTATED = 6;
  static final int ATTENDED = 7;
  static final int TILE_SCORES = 8;
  static final int TILE_OUT = 9;
  static final int TILE_MAXIMUM = 10;
  static final int TILE_SUM = 11;
  static final int TILE_RESCALE = 12;
  static final int ACTIVATION = 13;
  static final int SECOND_ACTIVATION = 14;

  private ScratchSlots() {}
}
