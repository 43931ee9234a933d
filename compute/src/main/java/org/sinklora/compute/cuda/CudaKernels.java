package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.cuModuleGetFunction;
import static org.bytedeco.cuda.global.cudart.cuModuleLoadData;
import static org.bytedeco.cuda.global.cudart.cuModuleUnload;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.javacpp.BytePointer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The kernels of a device: compiled when first asked for, kept on disk, loaded once. */
final class CudaKernels {
  private static final Logger LOG = LoggerFactory.getLogger(CudaKernels.class);

  private static final Pattern FOLLOWS = Pattern.compile("(?m)^// follows: (\\S+)$");

  /** A source and what is defined in it. */
  private record Unit(Class<?> owner, String resource, List<String> defines) {
    String title() {
      return owner.getPackageName() + "/" + resource;
    }
  }

  private record Function(Unit unit, String name) {}

  private final CudaContext context;
  private final KernelCache cache;
  private final KernelArguments arguments = new KernelArguments();
  private final Map<Unit, CUmod_st> modules = new HashMap<>();
  private final Map<Function, CudaKernel> kernels = new HashMap<>();

  CudaKernels(CudaContext context, KernelCache cache) {
    this.context = context;
    this.cache = cache;
  }

  CudaKernel get(Class<?> owner, String resource, String function, String... defines) {
    Function key = new Function(new Unit(owner, resource, List.of(defines)), function);
    CudaKernel kernel = kernels.get(key);
    if (kernel == null) {
      kernel = load(key);
      kernels.put(key, kernel);
    }
    return kernel;
  }

  private CudaKernel load(Function key) {
    context.enter();
    CUmod_st module = modules.get(key.unit());
    if (module == null) {
      module = load(key.unit());
      modules.put(key.unit(), module);
    }
    CUfunc_st function = new CUfunc_st();
    String name = key.name() + " of " + key.unit().title();
    context.check(
        cuModuleGetFunction(function, module, key.name()), "cuModuleGetFunction of " + name);
    return new CudaKernel(context, name, function, arguments);
  }

  private CUmod_st load(Unit unit) {
    byte[] binary = binary(unit);
    CUmod_st module = new CUmod_st();
    try (BytePointer image = new BytePointer(binary)) {
      context.check(cuModuleLoadData(module, image), "cuModuleLoadData of " + unit.title());
    }
    return module;
  }

  private byte[] binary(Unit unit) {
    String source = withDefines(read(unit), unit.defines());
    List<String> options = options(context.info().architecture());
    String file = KernelCache.fileName(source, options, KernelCompiler.version());
    byte[] kept = cache.read(file);
    if (kept.length > 0) {
      return kept;
    }
    long start = System.nanoTime();
    byte[] compiled = KernelCompiler.compile(source, unit.title(), options);
    LOG.debug("{} compiled in {} ms", unit.title(), (System.nanoTime() - start) / 1_000_000);
    cache.write(file, compiled);
    return compiled;
  }

  /** What NVRTC is told. */
  static List<String> options(String architecture) {
    // Lambdas inside kernels can't be annotated without an extension of nvcc's.
    return List.of(
        "--gpu-architecture=" + architecture, "--std=c++17", "--device-as-default-execution-space");
  }

  /**
   * The source behind its macros. As options they would also apply to what NVRTC puts before every
   * source, where a macro named {@code T} breaks the templates.
   *
   * @param defines {@code NAME=value}, or {@code NAME} for 1
   */
  static String withDefines(String source, List<String> defines) {
    StringBuilder text = new StringBuilder();
    for (String define : defines) {
      int equals = define.indexOf('=');
      String name = equals < 0 ? define : define.substring(0, equals);
      String value = equals < 0 ? "1" : define.substring(equals + 1);
      text.append("#define ").append(name).append(' ').append(value).append('\n');
    }
    return text.append("#line 1\n").append(source).toString();
  }

  /** A source, behind those that it says it follows. */
  private static String read(Unit unit) {
    return withPrefixes(read(unit.owner(), unit.resource()), name -> read(unit.owner(), name));
  }

  /**
   * NVRTC has no include paths: a line {@code // follows: NAME} puts another source in front.
   *
   * @param others finds a source by name
   */
  static String withPrefixes(String source, UnaryOperator<String> others) {
    StringBuilder all = new StringBuilder();
    Matcher follows = FOLLOWS.matcher(source);
    while (follows.find()) {
      all.append(others.apply(follows.group(1))).append('\n');
    }
    return all.append(source).toString();
  }

  private static String read(Class<?> owner, String resource) {
    try (InputStream in = owner.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalArgumentException(
            "There is no CUDA source " + resource + " beside " + owner.getName());
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("The CUDA source " + resource + " can't be read", e);
    }
  }

  void close() {
    context.enter();
    for (CUmod_st module : modules.values()) {
      context.check(cuModuleUnload(module), "cuModuleUnload");
    }
    modules.clear();
    kernels.clear();
  }
}
