package org.sinklora.compute.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class CudaHostTest {
  @Test
  void aMachineHasGpusOrAReasonInALine() {
    String why = CudaDevice.whyNone();
    assertEquals(CudaDevice.list().isEmpty(), !why.isEmpty(), why);
    assertFalse(why.contains("\n"), why);
    if (CudaDevice.list().isEmpty()) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> CudaDevice.open(0, CudaPrecision.FLOAT32));
      assertTrue(e.getMessage().contains(why), e.getMessage());
    }
  }

  @Test
  void withoutGpusOrNcclACommunicatorSaysWhy() {
    String why = CudaCommunicator.whyNone();
    assertFalse(why.contains("\n"), why);
    if (!why.isEmpty()) {
      CudaException e = assertThrows(CudaException.class, CudaCommunicator::uniqueId);
      assertTrue(e.getMessage().contains(why), e.getMessage());
      assertTrue(e.getMessage().contains("NCCL"), e.getMessage());
    }
  }

  @Test
  void theReasonIsWhatTheLinkerSaid() {
    Error linker = new UnsatisfiedLinkError("/tmp/libjni.so: libcuda.so.1: cannot open");
    Error loader = new UnsatisfiedLinkError("no jnicudart in java.library.path");
    loader.initCause(linker);
    assertEquals("libcuda.so.1: cannot open", CudaHost.reason(loader));
    assertEquals("plain", CudaHost.reason(new IllegalStateException("plain")));
  }

  @Test
  void architecturesNameTheGenerationsOwnInstructionsWhereWeUseThem() {
    assertEquals("sm_80", info(80).architecture());
    assertEquals("sm_89", info(89).architecture());
    assertEquals("sm_90a", info(90).architecture());
    assertEquals("sm_100a", info(100).architecture());
    assertEquals("sm_120", info(120).architecture());
  }

  private static CudaInfo info(int capability) {
    return new CudaInfo(0, "a GPU", capability, 1, 1, 1, "13.0");
  }

  @Test
  void outOfMemorySaysTheNumbersAndTheWayOut() {
    String message =
        new CudaOutOfMemoryException("cuda:0 (a GPU)", 3L << 30, 1 << 30, 80L << 30, 512 << 20)
            .getMessage();
    for (String part :
        new String[] {
          "cuda:0", "3.00 GiB", "1.00 GiB of 80.00 GiB", "512.0 MiB", "checkpointing"
        }) {
      assertTrue(message.contains(part), message);
    }
    assertEquals("17 bytes", CudaOutOfMemoryException.size(17));
  }

  @Test
  void bfloat16IsRoundedToTheNearestEven() {
    assertEquals(0x3F80, CudaElementwise.bfloat16(1));
    assertEquals(0x3F80, CudaElementwise.bfloat16(1 + 1 / 256f));
    assertEquals(0x3F82, CudaElementwise.bfloat16(1 + 3 / 256f));
    assertEquals((short) 0xBF81, CudaElementwise.bfloat16(-1 - 1.1f / 256));
    assertEquals(0x7F80, CudaElementwise.bfloat16(Float.MAX_VALUE));
    assertEquals(0x7FC0, CudaElementwise.bfloat16(Float.NaN));
  }
}
