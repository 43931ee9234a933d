package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.nvrtc.nvrtcCompileProgram;
import static org.bytedeco.cuda.global.nvrtc.nvrtcCreateProgram;
import static org.bytedeco.cuda.global.nvrtc.nvrtcDestroyProgram;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetCUBIN;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetCUBINSize;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetProgramLog;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetProgramLogSize;
import static org.bytedeco.cuda.global.nvrtc.nvrtcVersion;

import java.util.List;
import org.bytedeco.cuda.nvrtc._nvrtcProgram;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;

/** NVRTC: CUDA sources to binaries for one architecture, inside this process. */
final class KernelCompiler {
  private KernelCompiler() {}

  /** Name and version, which go into the key of the cache. */
  static String version() {
    int[] major = new int[1];
    int[] minor = new int[1];
    check(nvrtcVersion(major, minor), "nvrtcVersion");
    return "nvrtc " + major[0] + "." + minor[0];
  }

  /**
   * Compiles one source.
   *
   * @param name what errors call it
   * @throws CudaException with the compiler's messages
   */
  static byte[] compile(String source, String name, List<String> options) {
    _nvrtcProgram program = new _nvrtcProgram();
    try (BytePointer text = new BytePointer(source);
        BytePointer title = new BytePointer(name)) {
      check(
          nvrtcCreateProgram(
              program, text, title, 0, (PointerPointer<?>) null, (PointerPointer<?>) null),
          "nvrtcCreateProgram");
      return compile(program, name, options);
    } finally {
      if (!program.isNull()) {
        nvrtcDestroyProgram(program);
      }
    }
  }

  private static byte[] compile(_nvrtcProgram program, String name, List<String> options) {
    BytePointer[] texts = new BytePointer[options.size()];
    for (int i = 0; i < texts.length; i++) {
      texts[i] = new BytePointer(options.get(i));
    }
    try (PointerPointer<BytePointer> pointers = new PointerPointer<>(texts);
        SizeTPointer size = new SizeTPointer(1)) {
      int result = nvrtcCompileProgram(program, texts.length, pointers);
      if (result != 0) {
        throw new CudaException(
            "%s does not compile with %s: %s%n%s"
                .formatted(name, options, CudaStatus.nvrtc(result), log(program)));
      }
      check(nvrtcGetCUBINSize(program, size), "nvrtcGetCUBINSize");
      byte[] binary = new byte[Math.toIntExact(size.get())];
      check(nvrtcGetCUBIN(program, binary), "nvrtcGetCUBIN");
      return binary;
    } finally {
      for (BytePointer text : texts) {
        text.close();
      }
    }
  }

  private static String log(_nvrtcProgram program) {
    try (SizeTPointer size = new SizeTPointer(1)) {
      check(nvrtcGetProgramLogSize(program, size), "nvrtcGetProgramLogSize");
      try (BytePointer log = new BytePointer(Math.max(1, size.get()))) {
        check(nvrtcGetProgramLog(program, log), "nvrtcGetProgramLog");
        return log.getString();
      }
    }
  }

  private static void check(int result, String call) {
    if (result != 0) {
      throw new CudaException(call + " failed: " + CudaStatus.nvrtc(result));
    }
  }
}
