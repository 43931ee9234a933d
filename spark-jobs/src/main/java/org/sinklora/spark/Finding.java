package org.sinklora.spark;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.NativeSupport;
import org.sinklora.compute.VectorUnit;
import org.sinklora.data.BundledModel;
import org.sinklora.data.Tokenizer;

/**
 * Something that {@link Doctor} looked at.
 *
 * @param subject what
 * @param found what was found
 * @param use what follows from it
 * @param sound whether it is as it should be
 * @param needed whether nothing works without
 */
record Finding(String subject, String found, String use, boolean sound, boolean needed) {

  static List<Finding> all() {
    return List.of(java(), memory(), cores(), vectors(), blas(), gpu(), tokenizer());
  }

  private static Finding java() {
    boolean supported = Runtime.version().feature() >= 17;
    return new Finding(
        "java",
        "%s, %s %s"
            .formatted(
                Runtime.version(), System.getProperty("os.name"), System.getProperty("os.arch")),
        supported ? "supported" : "install Java 17 or newer",
        supported,
        true);
  }

  private static Finding memory() {
    long heap = Runtime.getRuntime().maxMemory();
    long machine =
        ManagementFactory.getOperatingSystemMXBean()
                instanceof com.sun.management.OperatingSystemMXBean system
            ? system.getTotalMemorySize()
            : 0;
    boolean enough = heap >= 1L << 30;
    return new Finding(
        "memory",
        "machine %,d MiB, Java heap up to %,d MiB, arrays outside it up to %,d MiB"
            .formatted(machine >> 20, heap >> 20, NativeSupport.largestArrayBytes() >> 20),
        enough
            ? "weights and activations lie outside the heap; -Xmx sets both limits"
            : "give Java 1 GiB or more with -Xmx",
        enough,
        false);
  }

  private static Finding cores() {
    int cores = Runtime.getRuntime().availableProcessors();
    return new Finding(
        "cores", cores + " cores", "local[*] runs tasks on all of them", true, false);
  }

  private static Finding vectors() {
    boolean present = VectorUnit.isPresent();
    try (CpuDevice device = new CpuDevice()) {
      return new Finding(
          "vectors",
          device.name(),
          present
              ? "attention and row kernels use the Vector API"
              : "plain kernels, several times slower: start java with --add-modules=jdk.incubator.vector",
          present,
          false);
    }
  }

  private static Finding blas() {
    try {
      return new Finding(
          "blas",
          "OpenBLAS, " + NativeSupport.loadBlas(),
          "matrix products, one thread a call; each task shares them out among its threads",
          true,
          true);
    } catch (LinkageError e) {
      return new Finding(
          "blas",
          "OpenBLAS can't be loaded: " + e.getMessage(),
          "put org.bytedeco:openblas with the classifier of this platform on the class path",
          false,
          true);
    }
  }

  private static Finding gpu() {
    Path driver = Path.of("/proc/driver/nvidia/version");
    String version;
    try (Stream<String> lines = Files.lines(driver)) {
      version = lines.findFirst().orElse("an NVIDIA driver");
    } catch (IOException e) {
      return new Finding("gpu", "no NVIDIA driver", "the CPU computes", true, false);
    }
    return new Finding(
        "gpu", version, "not used: the commands compute on the CPU so far", true, false);
  }

  private static Finding tokenizer() {
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      return new Finding(
          "model",
          "bundled %s in %s, %,d tokens"
              .formatted(BundledModel.NAME, BundledModel.folder(), tokenizer.vocabularySize()),
          "used where no --model is given",
          true,
          true);
    } catch (IOException | LinkageError e) {
      return new Finding("model", e.getMessage(), "the tokenizers library is needed", false, true);
    }
  }
}
