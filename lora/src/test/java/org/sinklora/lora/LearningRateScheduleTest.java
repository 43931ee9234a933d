package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The values of the schedules: 4 steps of warm-up in a run of 20. */
class LearningRateScheduleTest {

  @ParameterizedTest
  @CsvSource({
    "CONSTANT_WITH_WARMUP,4,1",
    "CONSTANT_WITH_WARMUP,19,1",
    "LINEAR,4,1",
    "LINEAR,12,0.5",
    "LINEAR,19,0.0625",
    "LINEAR,20,0",
    "COSINE,4,1",
    "COSINE,12,0.5",
    "COSINE,8,0.8535533905932737",
    "COSINE,20,0"
  })
  void afterWarmup(LearningRateSchedule schedule, long step, double factor) {
    assertEquals(factor, schedule.factor(step, 20, 4), 1e-12);
  }

  @ParameterizedTest
  @EnumSource
  void warmupRisesInAStraightLineAndNoStepIsWasted(LearningRateSchedule schedule) {
    for (int step = 0; step < 4; step++) {
      assertEquals((step + 1) / 4.0, schedule.factor(step, 20, 4), 1e-12);
    }
    assertEquals(1, schedule.factor(0, 20, 0), 1e-12);
  }

  @ParameterizedTest
  @EnumSource
  void warmupMayBeLongerThanTheRun(LearningRateSchedule schedule) {
    assertEquals(0.2, schedule.factor(1, 3, 10), 1e-12);
  }

  @ParameterizedTest
  @EnumSource
  void everyScheduleIsFoundByItsName(LearningRateSchedule schedule) {
    assertEquals(schedule, LearningRateSchedule.named(schedule.toString()));
  }

  @Test
  void anUnknownNameIsRefused() {
    Exception error =
        assertThrows(
            IllegalArgumentException.class, () -> LearningRateSchedule.named("polynomial"));
    assertEquals(
        "No learning rate schedule is called polynomial; there are [constant_with_warmup, cosine, linear]",
        error.getMessage());
  }
}
