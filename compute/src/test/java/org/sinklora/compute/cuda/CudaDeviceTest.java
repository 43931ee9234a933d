package org.sinklora.compute.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sinklora.compute.Heads;
import org.sinklora.compute.RandomFloats;
import org.sinklora.compute.RopeTable;

/** What a GPU does beyond the operations of a device. */
@EnabledIf("org.sinklora.compute.cuda.GpuPresent#isPresent")
class CudaDeviceTest {
  private static CudaDevice device;

  @BeforeAll
  static void open() {
    device = CudaDevice.open(0, CudaPrecision.BFLOAT16);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  private static float[] values(CudaTensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.size())];
    device.download(tensor, values, 0);
    return values;
  }

  @Test
  void theDeviceSaysWhatItIs() {
    CudaInfo info = device.info();
    assertTrue(info.computeCapability() >= 80 && info.multiprocessors() > 0, info.toString());
    assertTrue(info.memoryBytes() > 1L << 30 && info.sharedBytes() >= 96 << 10, info.toString());
    assertEquals("cuda:0 (" + info.name() + ", bf16)", device.name());
    assertTrue(device.freeBytes() > 0 && device.freeBytes() <= info.memoryBytes());
    assertEquals("", CudaDevice.whyNone());
    assertThrows(IllegalArgumentException.class, () -> CudaDevice.open(99, CudaPrecision.FLOAT32));
  }

  @Test
  void floatsBecomeTheNearestBfloat16() {
    int n = 100_000;
    float[] source = new RandomFloats(1).next(n, 1e3);
    float[] special = {0, -0f, 1, 1 + 1 / 256f, 1 + 3 / 256f, 3.4e38f, 1e-40f, -1e30f};
    System.arraycopy(special, 0, source, 0, special.length);
    try (CudaTensor tensor = device.allocate(ElementType.BFLOAT16, n)) {
      device.upload(source, 0, tensor);
      float[] got = values(tensor);
      for (int i = 0; i < n; i++) {
        float expected = Float.intBitsToFloat((CudaElementwise.bfloat16(source[i]) & 0xFFFF) << 16);
        assertEquals(expected, got[i], "of " + source[i]);
      }
    }
  }

  @Test
  void integersComeBack() {
    int[] source = new int[2_500_000];
    for (int i = 0; i < source.length; i++) {
      source[i] = i * 31;
    }
    try (CudaTensor tensor = device.allocate(ElementType.INT32, source.length)) {
      device.upload(source, tensor);
      assertArrayEquals(source, device.downloadInts(tensor));
    }
    assertThrows(IllegalArgumentException.class, () -> device.upload(source, device.allocate(5)));
  }

  @ParameterizedTest
  @EnumSource(CudaPrecision.class)
  void aKernelOfOursTakesEveryKindOfArgument(CudaPrecision precision) {
    ElementType type = precision.elementType();
    CudaKernel kernel =
        device.kernel(CudaDeviceTest.class, "arguments.cu", "arguments", "ELEMENT=" + type.cName());
    try (CudaTensor out = device.allocate(4);
        CudaTensor in = device.allocate(type, 10)) {
      device.fill(in, 0.5f);
      kernel.launch(1, 1, 1, 32, 100_000, in.view(3, 1), null, 7, 1L << 40, 0.25f, out);
      assertArrayEquals(new float[] {0.5f, 7, 1L << 40, 0.25f}, values(out));
    }
  }

  @Test
  void aKernelThatDoesNotCompileSaysWhy() {
    CudaException e =
        assertThrows(
            CudaException.class,
            () ->
                device.kernel(
                    CudaDeviceTest.class, "arguments.cu", "arguments", "ELEMENT=nothing"));
    assertTrue(e.getMessage().contains("nothing") && e.getMessage().contains("arguments.cu"));
    assertThrows(
        CudaException.class,
        () -> device.kernel(CudaDeviceTest.class, "arguments.cu", "missing", "ELEMENT=float"));
    assertThrows(
        IllegalArgumentException.class,
        () -> device.kernel(CudaDeviceTest.class, "missing.cu", "missing"));
  }

  @Test
  void tensorMapsReadBoxesWithZerosAround() {
    assumeTrue(device.info().computeCapability() >= 90, "needs the tensor memory accelerator");
    int rows = 20;
    int columns = 72;
    try (CudaTensor matrix = device.allocate(ElementType.BFLOAT16, rows, columns + 8);
        CudaTensor out = device.allocate(ElementType.BFLOAT16, 16 * 64)) {
      float[] source = new RandomFloats(3).next(rows * (columns + 8));
      device.upload(source, 0, matrix);
      float[] rounded = values(matrix);
      CudaTensorMap map = device.tensorMap2d(matrix, rows, columns, columns + 8, 16, 64);
      device.fill(out, Float.NaN);
      device
          .kernel(CudaDeviceTest.class, "tensormap.cu", "readBox")
          .launch(1, 1, 1, 128, 0, map, 64, 12, out);
      float[] got = values(out);
      for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 64; j++) {
          boolean inside = 12 + i < rows && 64 + j < columns;
          float expected = inside ? rounded[(12 + i) * (columns + 8) + 64 + j] : 0;
          // The swizzle: within eight rows the 16-byte chunk's number is xored with the row's.
          int chunk = (j / 8) ^ (i % 8);
          assertEquals(expected, got[i * 64 + chunk * 8 + j % 8], "row " + i + " column " + j);
        }
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> device.tensorMap2d(matrix, rows, columns, columns + 8, 16, 128));
    }
  }

  @Test
  void aGraphRepeatsItsLaunches() {
    RopeTable table = new RopeTable(new float[] {1}, 1, 10);
    try (CudaTensor x = device.allocateActivations(4, 2);
        CudaTensor y = device.allocate(4, 4);
        CudaTensor losses = device.allocate(4)) {
      int[] targets = {0, 1, -100, 1};
      Runnable work =
          () -> {
            device.matmul(x, false, x, true, 1, 1, y);
            device.crossEntropy(x, targets, 0, 0, losses);
          };
      device.fill(x, 1);
      work.run();
      try (CudaGraph graph = device.capture(work)) {
        assertEquals(2, values(y)[5], "a capture runs nothing");
        // Enough other arrays to push out those that are not in use.
        for (int i = 0; i < 40; i++) {
          device.rope(
              Heads.contiguous(device.allocate(1, 2), 1, 2), table, new int[] {i % 10}, false);
          device.embedding(device.allocate(50, 2), new int[] {i}, device.allocate(1, 2));
        }
        device.fill(losses, Float.NaN);
        graph.launch();
        graph.launch();
        assertEquals(6, values(y)[5]);
        float log2 = (float) Math.log(2);
        assertArrayEquals(new float[] {log2, log2, 0, log2}, values(losses), 1e-5f);
      }
      IllegalStateException e =
          assertThrows(
              IllegalStateException.class, () -> device.capture(() -> device.allocate(10)));
      assertTrue(e.getMessage().contains("captured"));
      device.scale(y, 2);
      assertEquals(12, values(y)[5], "the device goes on after a failed capture");
    }
  }

  @Test
  void timesAreThoseOfTheLaunchesAlone() {
    try (CudaTensor x = device.allocate(1 << 22)) {
      device.scale(x, 1);
      float once = device.milliseconds(() -> device.scale(x, 1));
      float often =
          device.milliseconds(
              () -> {
                for (int i = 0; i < 100; i++) {
                  device.scale(x, 1);
                }
              });
      assertTrue(once > 0 && often > 5 * once, once + " and " + often);
    }
  }

  @Test
  void workSpaceGrowsAndIsReused() {
    long address = device.scratch("test", ElementType.FLOAT32, 100).address();
    assertEquals(address, device.scratch("test", ElementType.FLOAT32, 50).address());
    assertNotEquals(address, device.scratch("test", ElementType.INT32, 50).address());
    CudaTensor larger = device.scratch("test", ElementType.FLOAT32, 1_000_000);
    assertEquals(1_000_000, larger.size());
    assertEquals(0, larger.address() % 256);
  }

  @Test
  void memoryComesBack() {
    long before = device.allocatedBytes();
    CudaTensor tensor = device.allocate(1 << 20);
    CudaTensor view = tensor.view(3, 5);
    assertEquals(before + (4 << 20), device.allocatedBytes());
    view.close();
    assertEquals(before + (4 << 20), device.allocatedBytes());
    tensor.close();
    tensor.close();
    assertEquals(before, device.allocatedBytes());
    assertThrows(IllegalStateException.class, view::address);
  }

  @Test
  void forgottenTensorsAreFreed() throws InterruptedException {
    long bytes = 64L << 20;
    long before = device.allocatedBytes();
    for (int i = 0; i < 20; i++) {
      device.allocate(ElementType.INT8, bytes);
    }
    for (int i = 0; i < 50 && device.allocatedBytes() > before + 5 * bytes; i++) {
      System.gc();
      Thread.sleep(20);
      device.allocate(1).close();
    }
    assertTrue(device.allocatedBytes() <= before + 5 * bytes);
  }

  @Test
  void whatDoesNotFitIsSaidWithTheStateOfTheMemory() {
    CudaOutOfMemoryException e =
        assertThrows(
            CudaOutOfMemoryException.class, () -> device.allocate(ElementType.INT8, 1L << 45));
    assertTrue(e.getMessage().contains("32768.00 GiB"), e.getMessage());
    assertTrue(e.getMessage().contains("checkpointing"), e.getMessage());
    try (CudaTensor small = device.allocate(3)) {
      assertArrayEquals(new float[3], values(small), "the device goes on");
    }
  }

  @Test
  void anotherThreadMayTakeOver() throws InterruptedException {
    try (CudaTensor x = device.allocate(10)) {
      device.fill(x, 2);
      AtomicReference<float[]> seen = new AtomicReference<>();
      Thread thread =
          new Thread(
              () -> {
                device.scale(x, 3);
                device.matmul(
                    x.view(0, 1, 4), false, x.view(4, 4, 1), false, 1, 0, x.view(8, 1, 1));
                seen.set(values(x));
              });
      thread.start();
      thread.join();
      float[] expected = new float[10];
      Arrays.fill(expected, 6);
      expected[8] = 4 * 36;
      assertArrayEquals(expected, seen.get());
      device.scale(x, 2);
      assertEquals(12, values(x)[9]);
    }
  }

  @Test
  void devicesKeepToTheirOwnTensorsAndTensorsOutliveThem() {
    CudaTensor tensor;
    try (CudaDevice other = CudaDevice.open(0, CudaPrecision.FLOAT32)) {
      tensor = other.allocate(5);
      assertThrows(IllegalArgumentException.class, () -> device.fill(tensor, 1));
      other.fill(tensor, 1);
      try (CudaTensor own = device.allocate(5)) {
        device.fill(own, 3);
        assertEquals(3, values(own)[4], "the first device's context is current again");
      }
      assertFalse(other.name().contains("bf16"));
    }
    tensor.close();
    assertThrows(IllegalStateException.class, tensor::address);
    try (CudaTensor own = device.allocate(5)) {
      assertEquals(0, values(own)[4]);
    }
  }
}
