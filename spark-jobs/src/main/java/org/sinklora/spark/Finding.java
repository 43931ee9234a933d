package org.sinklora.spark;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.NativeSupport;
import org.sinklora.compute.VectorUnit;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaInfo;
import org.sinklora.compute.cuda.CudaLibrary;
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
  private static final Path DRIVER = Path.of("/proc/driver/nvidia/version");

  static List<Finding> all() {
    List<CudaInfo> gpus = CudaDevice.list();
    List<Finding> findings = new ArrayList<>(List.of(java(), memory(), cores()));
    if (DeviceChoice.hasCpuEngine()) {
      findings.add(vectors());
      findings.add(blas());
    } else {
      findings.add(noCpuEngine(!gpus.isEmpty()));
    }
    findings.add(gpu(gpus));
    if (!gpus.isEmpty() || Files.exists(DRIVER)) {
      findings.add(cuda());
    }
    findings.add(spark());
    findings.add(tokenizer());
    return findings;
  }

  private static Finding noCpuEngine(boolean gpu) {
    return new Finding(
        "cpu",
        "ND4J, which computes on the CPU, is not on the class path",
        gpu
            ? "the GPU computes"
            : "nothing computes here: take a host with a GPU, or ./sinklora from a clone",
        gpu,
        !gpu);
  }

  private static Finding spark() {
    return ClassPath.hasSpark()
        ? new Finding("spark", "on the class path", "every command", true, false)
        : new Finding(
            "spark",
            "not on the class path",
            "train, eval, generate, export and bench in this process; prepare with --token-files",
            true,
            false);
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

  private static Finding gpu(List<CudaInfo> gpus) {
    if (gpus.isEmpty()) {
      String use =
          DeviceChoice.hasCpuEngine()
              ? "the CPU computes"
              : "what computes on the CPU is missing as well";
      return new Finding("gpu", CudaDevice.whyNone(), use, !Files.exists(DRIVER), false);
    }
    return new Finding(
        "gpu",
        String.join("; ", gpus.stream().map(Finding::describe).toList()),
        "cuda:0 computes, bfloat16 weights and activations, kernels for %s; --device, --precision"
            .formatted(gpus.get(0).architecture()),
        true,
        false);
  }

  private static String describe(CudaInfo gpu) {
    return "cuda:%d %s, compute capability %.1f, %,d MiB, driver for CUDA %s"
        .formatted(
            gpu.ordinal(),
            gpu.name(),
            gpu.computeCapability() / 10.0,
            gpu.memoryBytes() >> 20,
            gpu.driverVersion());
  }

  private static Finding cuda() {
    List<CudaLibrary> libraries = CudaLibrary.all();
    List<String> missing =
        libraries.stream()
            .filter(library -> library.needed() && library.version() == null)
            .map(CudaLibrary::name)
            .toList();
    return new Finding(
        "cuda",
        String.join("; ", libraries.stream().map(Finding::describe).toList()),
        missing.isEmpty()
            ? "what is needed is there: matrix products by cublasLt, kernels compiled by nvrtc"
            : "%s missing: install CUDA 13, or name its folders in LD_LIBRARY_PATH"
                .formatted(String.join(", ", missing)),
        missing.isEmpty(),
        false);
  }

  private static String describe(CudaLibrary library) {
    return library.version() != null
        ? library.name() + " " + library.version()
        : "no %s%s (%s)"
            .formatted(
                library.name(), library.needed() ? "" : ", which is optional", library.problem());
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
