package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CUDA_ERROR_NOT_READY;
import static org.bytedeco.cuda.global.cudart.CUDA_SUCCESS;
import static org.bytedeco.cuda.global.cudart.cuStreamQuery;
import static org.bytedeco.cuda.global.nccl.NCCL_UNIQUE_ID_BYTES;
import static org.bytedeco.cuda.global.nccl.ncclAllReduce;
import static org.bytedeco.cuda.global.nccl.ncclAvg;
import static org.bytedeco.cuda.global.nccl.ncclBfloat16;
import static org.bytedeco.cuda.global.nccl.ncclBroadcast;
import static org.bytedeco.cuda.global.nccl.ncclCommAbort;
import static org.bytedeco.cuda.global.nccl.ncclCommDestroy;
import static org.bytedeco.cuda.global.nccl.ncclCommFinalize;
import static org.bytedeco.cuda.global.nccl.ncclCommGetAsyncError;
import static org.bytedeco.cuda.global.nccl.ncclCommInitRankConfig;
import static org.bytedeco.cuda.global.nccl.ncclFloat32;
import static org.bytedeco.cuda.global.nccl.ncclFloat64;
import static org.bytedeco.cuda.global.nccl.ncclGetUniqueId;
import static org.bytedeco.cuda.global.nccl.ncclInProgress;
import static org.bytedeco.cuda.global.nccl.ncclSuccess;
import static org.bytedeco.cuda.global.nccl.ncclSum;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclConfig_t;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.PointerPointer;

/**
 * One GPU's place in a group of GPUs that compute together, in this process or others, through
 * NCCL. Every rank makes the same calls in the same order, each on its own device's stream, behind
 * the launches that were asked for before.
 *
 * <p>Every rank gets the same bits. For the same number of ranks, sizes, topology and NCCL the
 * order of the additions is the same in every run; {@code NCCL_ALGO=Ring} in the environment keeps
 * it to rings where NCCL would choose something else after an update.
 *
 * <p>A rank that failed leaves the others waiting. They give up, with a {@link CudaException}, once
 * NCCL notices, the caller's condition says so or their thread is interrupted; the communicator is
 * of no use then, the device is.
 */
public final class CudaCommunicator implements AutoCloseable {
  private static final long PAUSE_NANOS = Duration.ofNanos(20_000).toNanos();

  /** How long the others may take to leave as well. */
  private static final long LEAVE_NANOS = Duration.ofSeconds(10).toNanos();

  /** What NCCL takes for a setting that is left to it. */
  private static final int UNDEFINED = Integer.MIN_VALUE;

  private final CudaDevice device;
  private final CudaContext context;
  private final int rank;
  private final int size;
  private final BooleanSupplier givenUp;
  // NCCL may still write to it behind a call that does not block: not on a native call's stack.
  private final PointerPointer<ncclComm> handle = new PointerPointer<>(1);
  private final CudaTensor number;
  private ncclComm communicator;

  CudaCommunicator(
      CudaDevice device,
      CudaContext context,
      byte[] id,
      int rank,
      int size,
      BooleanSupplier givenUp) {
    if (size < 1 || rank < 0 || rank >= size) {
      throw new IllegalArgumentException(
          "Rank %d of %d: ranks are counted from 0".formatted(rank, size));
    }
    if (id.length != NCCL_UNIQUE_ID_BYTES) {
      throw new IllegalArgumentException(
          "An id of %d bytes; those of uniqueId() have %d"
              .formatted(id.length, NCCL_UNIQUE_ID_BYTES));
    }
    CudaHost.requireNccl();
    this.device = device;
    this.context = context;
    this.rank = rank;
    this.size = size;
    this.givenUp = givenUp;
    this.number = device.allocate(ElementType.INT32, Double.BYTES / Integer.BYTES);
    join(id);
  }

  /** Why there are no communicators on this machine, in a line; empty where there are. */
  public static String whyNone() {
    return CudaHost.whyNoNccl();
  }

  /**
   * The name of a new group, made by one rank and handed to all.
   *
   * @throws CudaException if NCCL can't be loaded or finds no network
   */
  public static byte[] uniqueId() {
    CudaHost.requireNccl();
    try (ncclUniqueId id = new ncclUniqueId()) {
      int result = ncclGetUniqueId(id);
      if (result != ncclSuccess) {
        throw new CudaException("ncclGetUniqueId failed: " + CudaStatus.nccl(result));
      }
      byte[] bytes = new byte[NCCL_UNIQUE_ID_BYTES];
      id.internal().get(bytes);
      return bytes;
    }
  }

  /** Meets the other ranks. */
  private void join(byte[] bytes) {
    context.enter();
    try (ncclUniqueId id = new ncclUniqueId();
        ncclConfig_t config = config()) {
      for (int i = 0; i < bytes.length; i++) {
        id.internal(i, bytes[i]);
      }
      int result = ncclCommInitRankConfig(handle, size, id, rank, config);
      communicator = handle.get(ncclComm.class, 0);
      settle(result, "ncclCommInitRankConfig");
      communicator = handle.get(ncclComm.class, 0);
    } catch (RuntimeException e) {
      number.close();
      handle.close();
      throw e;
    }
  }

  /** NCCL's defaults, but for calls that return at once, so that waiting can be given up. */
  private static ncclConfig_t config() {
    ncclConfig_t config = new ncclConfig_t();
    return config
        .size(config.sizeof())
        .magic(org.bytedeco.cuda.global.nccl.NCCL_API_MAGIC)
        .version(org.bytedeco.cuda.global.nccl.NCCL_VERSION_CODE)
        .blocking(0)
        .cgaClusterSize(UNDEFINED)
        .minCTAs(UNDEFINED)
        .maxCTAs(UNDEFINED)
        .netName(null)
        .splitShare(UNDEFINED)
        .trafficClass(UNDEFINED)
        .commName(null)
        .collnetEnable(UNDEFINED)
        .CTAPolicy(UNDEFINED)
        .shrinkShare(UNDEFINED)
        .nvlsCTAs(UNDEFINED)
        .nChannelsPerNetPeer(UNDEFINED)
        .nvlinkCentricSched(UNDEFINED)
        .graphUsageMode(UNDEFINED)
        .numRmaCtx(UNDEFINED);
  }

  /** This GPU's number in the group, counted from 0. */
  public int rank() {
    return rank;
  }

  /** GPUs in the group. */
  public int size() {
    return size;
  }

  /**
   * Replaces every element by its sum over the ranks. Does not wait.
   *
   * @param tensor of float32 or bfloat16, of the same size on every rank
   */
  public void allReduceSum(CudaTensor tensor) {
    allReduce(tensor, type(tensor), tensor.size(), ncclSum);
  }

  /** As {@link #allReduceSum}, with the mean. */
  public void allReduceMean(CudaTensor tensor) {
    allReduce(tensor, type(tensor), tensor.size(), ncclAvg);
  }

  /** The sum of a number over the ranks. Waits for it, and for all launches before. */
  public double sum(double value) {
    long bits = Double.doubleToRawLongBits(value);
    enter("A sum was asked for");
    device.upload(new int[] {(int) bits, (int) (bits >>> Integer.SIZE)}, number);
    allReduce(number, ncclFloat64, 1, ncclSum);
    await();
    return device.downloadDouble(number);
  }

  /** Overwrites the tensor with that of one rank. Does not wait. */
  public void broadcast(CudaTensor tensor, int root) {
    if (root < 0 || root >= size) {
      throw new IllegalArgumentException(
          "Rank %d of %d: ranks are counted from 0".formatted(root, size));
    }
    check(tensor);
    enter("A tensor was broadcast");
    RawPointer address = new RawPointer().at(tensor.address());
    settle(
        ncclBroadcast(
            address, address, tensor.size(), type(tensor), root, communicator, context.stream()),
        "ncclBroadcast");
  }

  private void allReduce(CudaTensor tensor, int type, long elements, int operation) {
    check(tensor);
    enter("A sum was asked for");
    RawPointer address = new RawPointer().at(tensor.address());
    settle(
        ncclAllReduce(address, address, elements, type, operation, communicator, context.stream()),
        "ncclAllReduce");
  }

  private void check(CudaTensor tensor) {
    if (tensor.context() != context) {
      throw new IllegalArgumentException(
          "%s belongs to another device than this communicator of %s"
              .formatted(tensor, device.name()));
    }
  }

  private static int type(CudaTensor tensor) {
    return switch (tensor.type()) {
      case FLOAT32 -> ncclFloat32;
      case BFLOAT16 -> ncclBfloat16;
      default ->
          throw new IllegalArgumentException(
              "%s: GPUs exchange float32 and bfloat16".formatted(tensor));
    };
  }

  private void enter(String what) {
    context.enter();
    context.refuseWhileCapturing(what);
    if (communicator == null) {
      throw new IllegalStateException("The communicator of %s is closed".formatted(device.name()));
    }
  }

  /** Waits for everything that was asked of the device so far, exchanges among it. */
  public void await() {
    enter("The GPUs were waited for");
    while (!idle()) {
      int result = state();
      if (result != ncclSuccess && result != ncclInProgress) {
        throw abandoned("An exchange", CudaStatus.nccl(result));
      }
      pause("An exchange");
    }
  }

  private boolean idle() {
    int result = cuStreamQuery(context.stream());
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY) {
      abort();
      context.check(result, "cuStreamQuery");
    }
    return result == CUDA_SUCCESS;
  }

  /** What NCCL's threads say of the communicator. */
  private int state() {
    int[] state = new int[1];
    int result = ncclCommGetAsyncError(communicator, state);
    return result == ncclSuccess ? state[0] : result;
  }

  /** Waits until a call has done its part on the host. */
  private void settle(int result, String call) {
    int now = result;
    while (now == ncclInProgress) {
      pause(call);
      now = state();
    }
    if (now != ncclSuccess) {
      throw abandoned(call, CudaStatus.nccl(now));
    }
  }

  private void pause(String what) {
    if (givenUp.getAsBoolean() || Thread.currentThread().isInterrupted()) {
      throw abandoned(
          what, "given up while waiting for the other ranks, of which one failed or was stopped");
    }
    LockSupport.parkNanos(PAUSE_NANOS);
  }

  private CudaException abandoned(String what, String error) {
    abort();
    return context.failure("%s of rank %d of %d".formatted(what, rank, size), error);
  }

  /** Leaves at once; what the GPU waits for ends. */
  private void abort() {
    if (communicator != null && !communicator.isNull()) {
      ncclCommAbort(communicator);
    }
    communicator = null;
  }

  /** Leaves the group; every rank does. The device must still be open. */
  @Override
  public void close() {
    if (communicator != null) {
      context.enter();
      leave();
    }
    number.close();
    handle.close();
  }

  private void leave() {
    long until = System.nanoTime() + LEAVE_NANOS;
    while (communicator != null && !idle() && mayWait(until)) {
      LockSupport.parkNanos(PAUSE_NANOS);
    }
    if (communicator == null) {
      return;
    }
    int state = mayWait(until) ? ncclCommFinalize(communicator) : ncclInProgress;
    while (state == ncclInProgress && mayWait(until)) {
      LockSupport.parkNanos(PAUSE_NANOS);
      state = state();
    }
    if (state == ncclSuccess) {
      ncclCommDestroy(communicator);
      communicator = null;
    } else {
      abort();
    }
  }

  private boolean mayWait(long until) {
    return System.nanoTime() < until && !givenUp.getAsBoolean();
  }
}
