package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cublas.cublasLtGetStatusName;
import static org.bytedeco.cuda.global.cublas.cublasLtGetStatusString;
import static org.bytedeco.cuda.global.cudart.cuGetErrorName;
import static org.bytedeco.cuda.global.cudart.cuGetErrorString;
import static org.bytedeco.cuda.global.nccl.ncclGetErrorString;
import static org.bytedeco.cuda.global.nccl.ncclGetLastError;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetErrorString;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;

/** Error numbers of the CUDA libraries in words. */
final class CudaStatus {
  private CudaStatus() {}

  /** Name and text of an error of the driver. */
  static String driver(int result) {
    try (PointerPointer<BytePointer> name = new PointerPointer<>(1);
        PointerPointer<BytePointer> text = new PointerPointer<>(1)) {
      if (cuGetErrorName(result, name) != 0 || cuGetErrorString(result, text) != 0) {
        return "error " + result;
      }
      return name.get(BytePointer.class, 0).getString()
          + " ("
          + text.get(BytePointer.class, 0).getString()
          + ")";
    }
  }

  /** Name and text of an error of cuBLASLt. */
  static String cublasLt(int result) {
    return cublasLtGetStatusName(result).getString()
        + " ("
        + cublasLtGetStatusString(result).getString()
        + ")";
  }

  /** Text of an error of NCCL, with what it said last. */
  static String nccl(int result) {
    BytePointer last = ncclGetLastError(null);
    String said = last == null || last.isNull() ? "" : last.getString().strip();
    String text = ncclGetErrorString(result).getString();
    return said.isEmpty() ? text : text + " (" + said + ")";
  }

  /** Name of an error of NVRTC. */
  static String nvrtc(int result) {
    return nvrtcGetErrorString(result).getString();
  }
}
