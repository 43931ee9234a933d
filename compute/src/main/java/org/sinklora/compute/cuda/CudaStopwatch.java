package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_EVENT_DEFAULT;
import static org.bytedeco.cuda.global.cudart.cuEventCreate;
import static org.bytedeco.cuda.global.cudart.cuEventDestroy;
import static org.bytedeco.cuda.global.cudart.cuEventElapsedTime;
import static org.bytedeco.cuda.global.cudart.cuEventRecord;
import static org.bytedeco.cuda.global.cudart.cuEventSynchronize;

import org.bytedeco.cuda.cudart.CUevent_st;

/** Time between two points of a stream, taken by the GPU itself. */
final class CudaStopwatch {
  private CudaStopwatch() {}

  /** Milliseconds from the moment the GPU gets to the launches until it is through with them. */
  static float milliseconds(CudaContext context, Runnable launches) {
    context.enter();
    context.refuseWhileCapturing("A time was taken");
    CUevent_st start = event(context);
    CUevent_st end = event(context);
    try {
      context.check(cuEventRecord(start, context.stream()), "cuEventRecord");
      launches.run();
      context.check(cuEventRecord(end, context.stream()), "cuEventRecord");
      context.check(cuEventSynchronize(end), "cuEventSynchronize");
      float[] milliseconds = new float[1];
      context.check(cuEventElapsedTime(milliseconds, start, end), "cuEventElapsedTime");
      return milliseconds[0];
    } finally {
      cuEventDestroy(start);
      cuEventDestroy(end);
    }
  }

  private static CUevent_st event(CudaContext context) {
    CUevent_st event = new CUevent_st();
    context.check(cuEventCreate(event, CU_EVENT_DEFAULT), "cuEventCreate");
    return event;
  }
}
