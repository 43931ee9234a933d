package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaInfo;
import org.sinklora.compute.cuda.CudaPrecision;
import picocli.CommandLine;

/** Which device the options choose. */
class DeviceOptionsTest {
  private static DeviceChoice resolve(String... arguments) {
    DeviceOptions options = new DeviceOptions();
    new CommandLine(options).setCaseInsensitiveEnumValuesAllowed(true).parseArgs(arguments);
    return options.resolve();
  }

  @Test
  void autoTakesWhatIsThere() {
    DeviceChoice choice = resolve();
    assertEquals(!CudaDevice.list().isEmpty(), choice.isGpu());
    assertTrue(choice.describe().startsWith("Device: " + (choice.isGpu() ? "cuda:0" : "cpu")));
    if (!choice.isGpu()) {
      assertTrue(choice.describe().contains("no GPU: "), choice.describe());
    }
  }

  @Test
  void theCpuOnRequest() {
    DeviceChoice choice = resolve("--device", "cpu", "--precision", "float32");
    assertNull(choice.gpu());
    assertEquals("Device: cpu (as asked)", choice.describe());
  }

  @Test
  void aGpuComputesInBfloat16UnlessTheResultIsWritten() {
    CudaInfo info = new CudaInfo(1, "NVIDIA Test", 90, 132, 80L << 30, 232_448, "13.0");
    DeviceChoice choice = DeviceChoice.gpu(info, null);
    assertEquals("Device: cuda:1 (NVIDIA Test), bfloat16", choice.describe());
    assertEquals(CudaPrecision.FLOAT32, choice.exact().precision());
  }

  @Test
  void whatIsNotThereIsRefused() {
    refused("choose auto, cpu, cuda or cuda:N", "--device", "gpu");
    refused("choose auto, cpu, cuda or cuda:N", "--device", "cuda:x");
    refused("the CPU computes in float32", "--device", "cpu", "--precision", "bfloat16");
    refused(
        CudaDevice.list().isEmpty() ? "there is no GPU: " : "the last GPU is cuda:",
        "--device",
        "cuda:99");
  }

  private static void refused(String said, String... arguments) {
    UserException refused = assertThrows(UserException.class, () -> resolve(arguments));
    assertTrue(refused.getMessage().contains(said), refused.getMessage());
  }
}
