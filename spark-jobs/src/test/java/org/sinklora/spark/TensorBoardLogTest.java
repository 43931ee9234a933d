package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.lora.StepResult;

class TensorBoardLogTest {
  private static final int START = 1;

  @TempDir private Path folder;

  private TensorBoardLog log(long stepsDone) throws IOException {
    return new TensorBoardLog(new LocalStorage(), folder.toString(), stepsDone);
  }

  private static void add(TensorBoardLog log, long step, double loss) throws IOException {
    log.add(new StepResult(step, loss, 3e-3, 0.5, 255), 1234.5, 7L << 20);
  }

  @Test
  void everyStepIsAnEventWithItsScalars() throws IOException {
    double before = System.currentTimeMillis() / 1e3;
    try (TensorBoardLog log = log(0)) {
      add(log, 1, 5.25);
      // What is written is there at once; numbers take more than a byte, a loss may be none.
      assertEquals(3, EventFile.readAll(folder).size());
      add(log, 123_456_789_012L, Double.NaN);
    }
    List<EventFile.Event> events = EventFile.readAll(folder);
    assertEquals("brain.Event:2", events.get(0).version());
    assertEquals(START, events.get(1).status());
    assertEquals(1, events.get(1).step());
    assertEquals(
        Map.of(
            "loss",
            5.25f,
            "learning_rate",
            3e-3f,
            "grad_norm",
            0.5f,
            "tokens_per_second",
            1234.5f,
            "memory_mib",
            7f),
        events.get(2).values());
    assertEquals(1, events.get(2).step());
    assertEquals(123_456_789_012L, events.get(3).step());
    assertEquals(Float.NaN, events.get(3).values().get("loss"));
    assertTrue(
        events.stream().allMatch(e -> e.wallTime() >= before && e.wallTime() < before + 600));
  }

  @Test
  void aResumedRunDropsWhatItDoesAgain() throws IOException {
    try (TensorBoardLog log = log(0)) {
      for (int step = 1; step <= 5; step++) {
        add(log, step, step);
      }
    }
    try (TensorBoardLog log = log(3)) {
      add(log, 4, 40);
    }
    try (Stream<Path> files = Files.list(folder)) {
      assertTrue(
          files.allMatch(
              file ->
                  file.getFileName().toString().matches("events\\.out\\.tfevents\\.\\d{10}\\..*")));
    }
    List<EventFile.Event> events = EventFile.readAll(folder);
    // The second file comes behind the first, and begins with the step from which on all is new.
    assertEquals(
        List.of(0L, 1L, 1L, 2L, 3L, 4L, 5L, 0L, 4L, 4L),
        events.stream().map(EventFile.Event::step).toList());
    assertEquals(START, events.get(8).status());
    assertEquals(40f, events.get(9).values().get("loss"));
  }
}
