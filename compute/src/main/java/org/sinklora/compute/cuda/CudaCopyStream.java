package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_STREAM_NON_BLOCKING;
import static org.bytedeco.cuda.global.cudart.cuStreamCreate;
import static org.bytedeco.cuda.global.cudart.cuStreamDestroy;
import static org.bytedeco.cuda.global.cudart.cuStreamSynchronize;

import org.bytedeco.cuda.cudart.CUstream_st;

/** A second stream, on which large copies run beside the work of the first. */
final class CudaCopyStream {
  private final CudaContext context;
  private final CUstream_st stream = new CUstream_st();

  CudaCopyStream(CudaContext context) {
    this.context = context;
    context.enter();
    context.check(cuStreamCreate(stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  }

  CUstream_st stream() {
    return stream;
  }

  void close() {
    context.enter();
    context.check(cuStreamSynchronize(stream), "cuStreamSynchronize");
    context.check(cuStreamDestroy(stream), "cuStreamDestroy");
  }
}
