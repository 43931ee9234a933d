package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
import static org.bytedeco.cuda.global.cudart.cuGraphDestroy;
import static org.bytedeco.cuda.global.cudart.cuGraphExecDestroy;
import static org.bytedeco.cuda.global.cudart.cuGraphInstantiate;
import static org.bytedeco.cuda.global.cudart.cuGraphLaunch;
import static org.bytedeco.cuda.global.cudart.cuStreamBeginCapture;
import static org.bytedeco.cuda.global.cudart.cuStreamEndCapture;

import org.bytedeco.cuda.cudart.CUgraphExec_st;
import org.bytedeco.cuda.cudart.CUgraph_st;

/**
 * A sequence of launches that is handed to the GPU at once. Every replay works on the addresses and
 * numbers of the capture: the tensors must stay, and numbers that change have to be read from
 * tensors.
 */
public final class CudaGraph implements AutoCloseable {
  private final CudaContext context;
  private final CUgraphExec_st executable = new CUgraphExec_st();
  private boolean closed;

  CudaGraph(CudaContext context, Runnable launches) {
    this.context = context;
    context.enter();
    context.refuseWhileCapturing("Another capture was begun");
    CUgraph_st graph = capture(launches);
    try {
      context.check(cuGraphInstantiate(executable, graph, 0), "cuGraphInstantiate");
    } finally {
      context.check(cuGraphDestroy(graph), "cuGraphDestroy");
    }
  }

  private CUgraph_st capture(Runnable launches) {
    context.check(
        cuStreamBeginCapture(context.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "cuStreamBeginCapture");
    CUgraph_st graph = new CUgraph_st();
    context.capturing(true);
    boolean whole = false;
    try {
      launches.run();
      whole = true;
    } finally {
      context.capturing(false);
      int result = cuStreamEndCapture(context.stream(), graph);
      if (whole) {
        context.check(result, "cuStreamEndCapture");
      } else if (result == 0) {
        // What launches.run() threw is worth more than what this might say.
        cuGraphDestroy(graph);
      }
    }
    return graph;
  }

  /** Runs the launches behind everything that was launched before, without waiting for them. */
  public void launch() {
    context.enter();
    if (closed) {
      throw new IllegalStateException("The graph has been closed");
    }
    context.check(cuGraphLaunch(executable, context.stream()), "cuGraphLaunch");
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      context.synchronize();
      context.check(cuGraphExecDestroy(executable), "cuGraphExecDestroy");
    }
  }
}
