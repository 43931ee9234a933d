package org.sinklora.sfattn;

/** The rule that both grouped patterns share. */
final class GroupSize {
  private GroupSize() {}

  static void require(int groupSize) {
    if (groupSize < 2 || groupSize % 2 != 0) {
      throw new IllegalArgumentException(
          "groupSize=%d: a group is shifted by half of it, so it has to be even and at least 2"
              .formatted(groupSize));
    }
  }
}
