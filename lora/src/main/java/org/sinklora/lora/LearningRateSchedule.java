package org.sinklora.lora;

import java.util.Arrays;
import java.util.Locale;

/** How the learning rate changes over a run; names as in Hugging Face's trainer. */
public enum LearningRateSchedule {
  /** Warm-up, then the peak rate. */
  CONSTANT_WITH_WARMUP {
    @Override
    double afterWarmup(double progress) {
      return 1;
    }
  },
  /** Warm-up, then half a cosine down to 0. */
  COSINE {
    @Override
    double afterWarmup(double progress) {
      return 0.5 * (1 + Math.cos(Math.PI * progress));
    }
  },
  /** Warm-up, then a straight line down to 0. */
  LINEAR {
    @Override
    double afterWarmup(double progress) {
      return 1 - progress;
    }
  };

  abstract double afterWarmup(double progress);

  /**
   * Share of the peak rate in step {@code step} of {@code steps}, counted from 0. Warm-up rises
   * from 1/warmupSteps in the first step to 1; no step is spent at rate 0.
   */
  public double factor(long step, long steps, int warmupSteps) {
    if (step < warmupSteps) {
      return (step + 1.0) / warmupSteps;
    }
    double rest = Math.max(1, steps - warmupSteps);
    return afterWarmup(Math.min(1, (step - warmupSteps) / rest));
  }

  /** The schedule of that name, e.g. {@code cosine}. */
  public static LearningRateSchedule named(String name) {
    for (LearningRateSchedule schedule : values()) {
      if (schedule.toString().equals(name)) {
        return schedule;
      }
    }
    throw new IllegalArgumentException(
        "No learning rate schedule is called " + name + "; there are " + Arrays.toString(values()));
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
