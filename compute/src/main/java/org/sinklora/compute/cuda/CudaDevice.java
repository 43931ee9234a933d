package org.sinklora.compute.cuda;

import java.util.List;
import java.util.function.BooleanSupplier;
import org.sinklora.compute.AdamWStep;
import org.sinklora.compute.Device;
import org.sinklora.compute.GeluKind;
import org.sinklora.compute.Heads;
import org.sinklora.compute.ParkedTensor;
import org.sinklora.compute.RopeTable;
import org.sinklora.compute.Tensor;

/**
 * One NVIDIA GPU of compute capability 8.0 or newer.
 *
 * <p>Everything runs on one stream in the order it was asked for, behind the caller's back;
 * downloads, {@link #sumOfSquares} and {@link #synchronize} wait. Any thread may use the device,
 * one at a time. The arithmetic of kernels is float32; {@link CudaPrecision} is what frozen weights
 * and activations are kept in.
 */
public final class CudaDevice implements Device {
  private static final int OLDEST_CAPABILITY = 80;

  private final CudaInfo info;
  private final CudaPrecision precision;
  private final CudaContext context;
  private final CudaKernels kernels;
  private final ScratchTensors scratch;
  private final TensorMaps tensorMaps;
  private final CudaTransfers transfers;
  private final IntArrays arrays;
  private final CudaElementwise elementwise;
  private final CudaColumns columns;
  private final CudaNorms norms;
  private final CudaRope rope;
  private final CudaEmbedding embedding;
  private final CudaLoss loss;
  private final CudaMatmul matmul;
  private final CudaNf4 nf4;
  private CudaCopyStream copies;
  private boolean closed;

  private CudaDevice(CudaInfo info, CudaPrecision precision) {
    this.info = info;
    this.precision = precision;
    this.context = new CudaContext(info);
    this.kernels = new CudaKernels(context, new KernelCache(KernelCache.configuredFolder()));
    this.tensorMaps = new TensorMaps(context);
    this.scratch = new ScratchTensors(context);
    this.transfers = new CudaTransfers(this, context);
    this.arrays = new IntArrays(this, context);
    this.elementwise = new CudaElementwise(this, context);
    this.columns = new CudaColumns(this);
    this.norms = new CudaNorms(this, columns);
    this.rope = new CudaRope(this, arrays);
    this.embedding = new CudaEmbedding(this, arrays);
    this.loss = new CudaLoss(this, arrays);
    this.matmul = new CudaMatmul(this, context);
    this.nf4 = new CudaNf4(this);
  }

  /**
   * The GPUs of this machine; none where there is no driver, no CUDA 13 or no GPU. Never throws.
   */
  public static List<CudaInfo> list() {
    return CudaHost.get().gpus();
  }

  /** Why {@link #list} is empty, in a line; empty when it isn't. */
  public static String whyNone() {
    return CudaHost.get().whyNone();
  }

  /**
   * Opens a GPU.
   *
   * @param ordinal its number in {@link #list}
   * @param precision what frozen weights and activations are kept in
   * @throws IllegalArgumentException if there is no such GPU, or it is too old
   */
  public static CudaDevice open(int ordinal, CudaPrecision precision) {
    List<CudaInfo> gpus = list();
    if (gpus.isEmpty()) {
      throw new IllegalArgumentException("There is no GPU to open. " + whyNone());
    }
    if (ordinal < 0 || ordinal >= gpus.size()) {
      throw new IllegalArgumentException(
          "There is no GPU %d; the last is %d".formatted(ordinal, gpus.size() - 1));
    }
    CudaInfo info = gpus.get(ordinal);
    if (info.computeCapability() < OLDEST_CAPABILITY) {
      throw new IllegalArgumentException(
          "cuda:%d (%s) has compute capability %.1f; the kernels need %.1f (Ampere) or newer"
              .formatted(
                  ordinal, info.name(), info.computeCapability() / 10.0, OLDEST_CAPABILITY / 10.0));
    }
    return new CudaDevice(info, precision);
  }

  public CudaInfo info() {
    return info;
  }

  public CudaPrecision precision() {
    return precision;
  }

  @Override
  public String name() {
    return "cuda:%d (%s, %s)"
        .formatted(
            info.ordinal(), info.name(), precision == CudaPrecision.BFLOAT16 ? "bf16" : "float32");
  }

  @Override
  public int elementBytes() {
    return precision.elementType().bytes();
  }

  /** Free memory of the GPU in bytes, whoever uses the rest. */
  @Override
  public long freeBytes() {
    context.enter();
    return context.memory()[0];
  }

  /** Memory in bytes that this device's tensors and work space take. */
  @Override
  public long allocatedBytes() {
    return context.allocated().now();
  }

  @Override
  public long peakBytes() {
    return context.allocated().peak();
  }

  @Override
  public void resetPeakBytes() {
    context.allocated().resetPeak();
  }

  @Override
  public CudaTensor allocate(long... shape) {
    return allocate(ElementType.FLOAT32, shape);
  }

  @Override
  public CudaTensor allocateWeights(long... shape) {
    return allocate(precision.elementType(), shape);
  }

  @Override
  public CudaTensor allocateActivations(long... shape) {
    return allocate(precision.elementType(), shape);
  }

  /**
   * A new tensor of zeros.
   *
   * @throws CudaOutOfMemoryException if there is no room
   */
  public CudaTensor allocate(ElementType type, long... shape) {
    long bytes = Math.multiplyExact(CudaTensor.sizeOf(shape), (long) type.bytes());
    CudaTensor tensor = CudaTensor.owning(context.allocate(bytes), type, shape);
    context.clear(tensor.address(), bytes);
    return tensor;
  }

  /**
   * Work space of {@code elements} elements with undefined contents. The same memory comes back for
   * the same name and type: it is the caller's until the name is asked for again.
   */
  public CudaTensor scratch(String name, ElementType type, long elements) {
    return scratch.get(name, type, elements);
  }

  /**
   * A kernel of a CUDA source, compiled for this GPU when first asked for; the binary is kept on
   * disk under a hash of all that went into it.
   *
   * @param owner a class in whose package the source is a resource
   * @param resource name of the source, e.g. {@code "norms.cu"}
   * @param function name of an {@code extern "C" __global__} function
   * @param defines macros, as {@code "NAME=value"}
   * @throws CudaException with the compiler's messages if it does not compile
   */
  public CudaKernel kernel(Class<?> owner, String resource, String function, String... defines) {
    return kernels.get(owner, resource, function, defines);
  }

  /**
   * Records launches instead of running them. The same work must have run once before, so that
   * kernels are compiled and buffers exist; nothing may be allocated, uploaded or downloaded
   * meanwhile. Token ids, positions and targets are those of the capture at every replay.
   */
  public CudaGraph capture(Runnable launches) {
    scratch.keepAll();
    return new CudaGraph(context, launches);
  }

  /**
   * Joins a group of GPUs; returns when all ranks have. Close the communicator before the device.
   *
   * @param id made by {@link CudaCommunicator#uniqueId} on one rank, the same on all
   * @param rank this device's number in the group, counted from 0
   * @param size devices in the group; a GPU is in it once
   * @param givenUp asked while waiting for other ranks: whether to give up
   * @throws CudaException if NCCL is missing or fails, or it was given up
   */
  public CudaCommunicator communicator(byte[] id, int rank, int size, BooleanSupplier givenUp) {
    return new CudaCommunicator(this, context, id, rank, size, givenUp);
  }

  /** Time in milliseconds that the GPU takes for the launches, without what was asked before. */
  public float milliseconds(Runnable launches) {
    return CudaStopwatch.milliseconds(context, launches);
  }

  /**
   * How the tensor memory accelerator finds boxes of a bfloat16 matrix; see {@link CudaTensorMap}.
   *
   * @param rowStride elements from a row to the next, a multiple of 8
   * @param boxRows rows of a box, at most 256
   * @param boxColumns columns of a box, a multiple of 8 and at most 64
   */
  public CudaTensorMap tensorMap2d(
      CudaTensor matrix, long rows, long columns, long rowStride, int boxRows, int boxColumns) {
    context.enter();
    return tensorMaps.get(own(matrix), rows, columns, rowStride, boxRows, boxColumns);
  }

  @Override
  public long logitsElements() {
    return 1L << 28;
  }

  @Override
  public boolean hasHostMemory() {
    return true;
  }

  @Override
  public ParkedTensor park(Tensor like) {
    if (copies == null) {
      copies = new CudaCopyStream(context);
    }
    return new CudaParkedTensor(context, copies, own(like));
  }

  @Override
  public void synchronize() {
    context.synchronize();
  }

  @Override
  public void fillNormal(Tensor destination, float deviation, long seed) {
    elementwise.fillNormal(own(destination), deviation, seed);
  }

  @Override
  public void upload(float[] source, int at, Tensor destination) {
    transfers.upload(source, at, own(destination));
  }

  @Override
  public void download(Tensor source, float[] destination, int at) {
    transfers.download(operand(source), destination, at);
  }

  /** Copies the first {@code destination.size()} numbers into a tensor of INT32. */
  public void upload(int[] source, CudaTensor destination) {
    transfers.upload(source, own(destination));
  }

  /** All numbers of a tensor of INT32. */
  public int[] downloadInts(CudaTensor source) {
    return transfers.downloadInts(own(source));
  }

  double downloadDouble(CudaTensor source) {
    return transfers.downloadDouble(source);
  }

  @Override
  public void copy(Tensor source, Tensor destination) {
    if (source instanceof CudaNf4Tensor packed) {
      nf4.widen(own(packed), own(destination));
    } else {
      elementwise.copy(own(source), own(destination));
    }
  }

  @Override
  public CudaNf4Tensor toNf4(Tensor matrix) {
    return nf4.pack(own(matrix));
  }

  @Override
  public void fill(Tensor destination, float value) {
    elementwise.fill(own(destination), value);
  }

  @Override
  public void axpy(float alpha, Tensor x, Tensor y) {
    elementwise.axpy(alpha, own(x), own(y));
  }

  @Override
  public void scale(Tensor x, float alpha) {
    elementwise.scale(own(x), alpha);
  }

  @Override
  public void matmul(
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float alpha,
      float beta,
      Tensor c) {
    CudaTensor result = own(c);
    matmul.multiply(own(a), transposeA, operand(b), transposeB, alpha, beta, result, result);
  }

  @Override
  public void matmulAdd(
      Tensor a, boolean transposeA, Tensor b, boolean transposeB, Tensor residual, Tensor c) {
    CudaTensor result = own(c);
    CudaTensor added = own(residual);
    if (added.type() != result.type()) {
      copy(added, result);
      added = result;
    }
    matmul.multiply(own(a), transposeA, operand(b), transposeB, 1, 1, added, result);
  }

  @Override
  public void addBias(Tensor x, Tensor bias) {
    columns.addBias(own(x), own(bias));
  }

  @Override
  public void addBiasBackward(Tensor dY, Tensor dBias) {
    columns.addBiasBackward(own(dY), own(dBias));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y, Tensor inverseRms) {
    norms.rmsNorm(own(x), own(weight), epsilon, own(y), own(inverseRms));
  }

  @Override
  public void rmsNormBackward(
      Tensor dY, Tensor x, Tensor weight, Tensor inverseRms, Tensor dX, Tensor dWeight) {
    norms.rmsNormBackward(
        own(dY), own(x), own(weight), own(inverseRms), own(dX), ownOrNull(dWeight));
  }

  @Override
  public void layerNorm(
      Tensor x,
      Tensor weight,
      Tensor bias,
      float epsilon,
      Tensor y,
      Tensor mean,
      Tensor inverseDeviation) {
    norms.layerNorm(
        own(x), own(weight), own(bias), epsilon, own(y), own(mean), own(inverseDeviation));
  }

  @Override
  public void layerNormBackward(
      Tensor dY,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor inverseDeviation,
      Tensor dX,
      Tensor dWeight,
      Tensor dBias) {
    norms.layerNormBackward(
        own(dY),
        own(x),
        own(weight),
        own(mean),
        own(inverseDeviation),
        own(dX),
        ownOrNull(dWeight),
        ownOrNull(dBias));
  }

  @Override
  public void rope(Heads x, RopeTable table, int[] positions, boolean inverse) {
    rope.rope(x, own(x.data()), table, positions, inverse);
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor y) {
    elementwise.swiGlu(own(gate), own(up), own(y));
  }

  @Override
  public void swiGluBackward(Tensor dY, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
    elementwise.swiGluBackward(own(dY), own(gate), own(up), own(dGate), own(dUp));
  }

  @Override
  public void gelu(Tensor x, GeluKind kind, Tensor y) {
    elementwise.gelu(own(x), kind, own(y));
  }

  @Override
  public void geluBackward(Tensor dY, Tensor x, GeluKind kind, Tensor dX) {
    elementwise.geluBackward(own(dY), own(x), kind, own(dX));
  }

  @Override
  public void embedding(Tensor table, int[] ids, Tensor y) {
    embedding.forward(own(table), ids, own(y));
  }

  @Override
  public void embeddingBackward(Tensor dY, int[] ids, Tensor dTable) {
    embedding.backward(own(dY), ids, own(dTable));
  }

  @Override
  public void crossEntropy(
      Tensor logits, int[] targets, int at, float gradientScale, Tensor losses) {
    loss.crossEntropy(own(logits), targets, at, gradientScale, own(losses));
  }

  @Override
  public void dropout(Tensor x, float rate, long key, long firstElement, Tensor y) {
    elementwise.dropout(own(x), rate, key, firstElement, own(y));
  }

  @Override
  public double sumOfSquares(Tensor x) {
    return elementwise.sumOfSquares(own(x));
  }

  @Override
  public void adamW(
      Tensor parameter,
      Tensor gradient,
      Tensor firstMoment,
      Tensor secondMoment,
      float gradientScale,
      AdamWStep step) {
    elementwise.adamW(
        own(parameter), own(gradient), own(firstMoment), own(secondMoment), gradientScale, step);
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    context.synchronize();
    if (copies != null) {
      copies.close();
    }
    matmul.close();
    rope.close();
    arrays.close();
    transfers.close();
    scratch.close();
    kernels.close();
    context.close();
  }

  private CudaTensor operand(Tensor tensor) {
    return tensor instanceof CudaNf4Tensor packed ? nf4.widen(own(packed)) : own(tensor);
  }

  private CudaNf4Tensor own(CudaNf4Tensor packed) {
    own(packed.codes());
    return packed;
  }

  private CudaTensor own(Tensor tensor) {
    CudaTensor cuda = CudaTensor.of(tensor);
    if (cuda.context() != context) {
      throw new IllegalArgumentException(
          "%s belongs to another device than %s: copy it over the host".formatted(cuda, name()));
    }
    return cuda;
  }

  private CudaTensor ownOrNull(Tensor tensor) {
    return tensor == null ? null : own(tensor);
  }
}
