package org.sinklora.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class CpuTeamTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void whatAMemberWroteIsSeenBehindTheBarrier(int threads) {
    try (CpuTeam team = new CpuTeam(threads)) {
      int[] values = new int[threads];
      int[] sums = new int[threads];
      for (int run = 0; run < 20; run++) {
        Arrays.fill(values, 0);
        team.run(
            member -> {
              for (int round = 1; round <= 50; round++) {
                values[member] = round;
                team.barrier();
                sums[member] = Arrays.stream(values).sum();
                team.barrier();
              }
            });
        for (int sum : sums) {
          assertEquals(50 * threads, sum);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void aFailureEndsTheTaskForAllAndTheTeamGoesOn(int failing) {
    try (CpuTeam team = new CpuTeam(3)) {
      Exception e =
          assertThrows(
              IllegalStateException.class,
              () ->
                  team.run(
                      member -> {
                        if (member == failing) {
                          throw new IllegalStateException("broken");
                        }
                        team.barrier();
                        team.barrier();
                      }));
      assertEquals("broken", e.getMessage());
      int[] ran = new int[3];
      team.run(
          member -> {
            team.barrier();
            ran[member]++;
          });
      assertEquals(3, Arrays.stream(ran).sum());
    }
  }

  @Test
  void sleepingMembersWakeUp() throws InterruptedException {
    try (CpuTeam team = new CpuTeam(2)) {
      int[] ran = new int[2];
      for (int i = 0; i < 5; i++) {
        Thread.sleep(20);
        team.run(member -> ran[member]++);
      }
      assertEquals(5, ran[0]);
      assertEquals(5, ran[1]);
    }
  }

  @Test
  void aClosedTeamSaysSo() {
    CpuTeam team = new CpuTeam(2);
    team.close();
    assertThrows(IllegalStateException.class, () -> team.run(member -> {}));
    assertThrows(IllegalArgumentException.class, () -> new CpuTeam(0));
  }
}
