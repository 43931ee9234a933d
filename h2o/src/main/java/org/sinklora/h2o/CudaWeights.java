package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.NormalFloat4;
import org.sinklora.compute.Tensor;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaKernel;
import org.sinklora.compute.cuda.CudaNf4Tensor;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;
import org.sinklora.lora.LowRankUpdate;

/**
 * Weights as decoding on a GPU reads them. A weight that is stored as it is asked for is read where
 * it lies; others are converted once for all models that share them.
 */
final class CudaWeights implements AutoCloseable {
  private static final int BLOCK = 256;

  /** int8 rows of that many columns begin at a vector of the kernels. */
  private static final int INT8_COLUMNS = 16;

  private final CudaDevice device;
  private final WeightPrecision precision;
  private final boolean readsFourBits;
  private final Map<Tensor, CudaMatrix> matrices = new IdentityHashMap<>();
  private final Map<Tensor, CudaTensor> vectors = new IdentityHashMap<>();
  private final Map<Tensor, CudaTensor> embeddings = new IdentityHashMap<>();
  private final List<CudaTensor> shared = new ArrayList<>();

  /**
   * @param precision how weights are to be stored; null for as the device has them
   * @throws IllegalArgumentException if the device does not compute with such weights
   */
  CudaWeights(CudaDevice device, WeightPrecision precision) {
    this.device = device;
    this.precision = precision == null ? ofDevice(device) : precision;
    boolean rounded = device.precision() == CudaPrecision.BFLOAT16;
    this.readsFourBits = rounded && (precision == null || precision == WeightPrecision.NF4);
    if (rounded == (this.precision == WeightPrecision.FLOAT32)) {
      throw new IllegalArgumentException(
          "Weights in %s cannot be decoded by %s, which computes in %s; open the device with %s"
              .formatted(
                  this.precision,
                  device.name(),
                  device.precision(),
                  rounded ? CudaPrecision.FLOAT32 : CudaPrecision.BFLOAT16));
    }
  }

  private static WeightPrecision ofDevice(CudaDevice device) {
    return device.precision() == CudaPrecision.FLOAT32
        ? WeightPrecision.FLOAT32
        : WeightPrecision.BFLOAT16;
  }

  /** What is freed with the store, beside what it made itself. */
  List<CudaTensor> shared() {
    return shared;
  }

  /**
   * A weight.
   *
   * @param keep whether other models will ask for it
   * @param own receives what was made for it, unless it was there
   */
  CudaMatrix matrix(Tensor weight, boolean keep, List<CudaTensor> own) {
    CudaMatrix known = matrices.get(weight);
    if (known != null) {
      return known;
    }
    CudaMatrix matrix =
        readsFourBits && weight instanceof CudaNf4Tensor packed
            ? CudaMatrix.of(packed)
            : stored(as(device.precision().elementType(), weight, keep, own), precision, own);
    if (keep) {
      matrices.put(weight, matrix);
    }
    return matrix;
  }

  /** A weight with an update merged into it; what was in 4 bits is so again. */
  CudaMatrix merged(Tensor weight, LowRankUpdate update, List<CudaTensor> own) {
    CudaTensor sum = track(device.allocateWeights(weight.shape()), own);
    device.copy(weight, sum);
    int in = Math.toIntExact(sum.dim(1));
    kernel("merge_" + typeOf(sum))
        .launch(
            Math.toIntExact(sum.dim(0)),
            blocks(in),
            1,
            BLOCK,
            0,
            sum,
            CudaTensor.of(update.a()),
            CudaTensor.of(update.b()),
            update.scale(),
            Math.toIntExact(update.a().dim(0)),
            in,
            sum);
    boolean fourBits = readsFourBits && weight instanceof CudaNf4Tensor;
    return stored(sum, fourBits ? WeightPrecision.NF4 : precision, own);
  }

  /** A bias or the weight of a norm, in float32. */
  CudaTensor vector(Tensor tensor, boolean keep, List<CudaTensor> own) {
    CudaTensor known = vectors.get(tensor);
    if (known != null) {
      return known;
    }
    CudaTensor vector = as(ElementType.FLOAT32, tensor, keep, own);
    if (keep) {
      vectors.put(tensor, vector);
    }
    return vector;
  }

  /** The embedding, float32 or bfloat16: a step reads a row of it. */
  CudaTensor embedding(Tensor tensor, boolean keep, List<CudaTensor> own) {
    CudaTensor known = embeddings.get(tensor);
    if (known != null) {
      return known;
    }
    CudaTensor source = CudaTensor.of(tensor);
    CudaTensor embedding = as(source.type(), source, keep, own);
    if (keep) {
      embeddings.put(tensor, embedding);
    }
    return embedding;
  }

  /** Copies of an adapter's matrices: the adapter may be closed afterwards. */
  CudaLowRank lowRank(LowRankUpdate update, List<CudaTensor> own) {
    CudaTensor a = track(device.allocate(update.a().shape()), own);
    device.copy(update.a(), a);
    device.scale(a, update.scale());
    CudaTensor b = track(device.allocate(update.b().shape()), own);
    device.copy(update.b(), b);
    return new CudaLowRank(a, b, Math.toIntExact(a.dim(0)));
  }

  /** Where the base lies it stays; an adapter may be closed, so that what is its own is copied. */
  private CudaTensor as(ElementType type, Tensor source, boolean keep, List<CudaTensor> own) {
    if (keep && source instanceof CudaTensor there && there.type() == type) {
      return there;
    }
    CudaTensor copy = track(device.allocate(type, source.shape()), own);
    device.copy(source, copy);
    return copy;
  }

  private CudaMatrix stored(CudaTensor weight, WeightPrecision storage, List<CudaTensor> own) {
    int out = Math.toIntExact(weight.dim(0));
    int in = Math.toIntExact(weight.dim(1));
    if (storage == WeightPrecision.INT8 && in % INT8_COLUMNS == 0) {
      CudaTensor codes = track(device.allocate(ElementType.INT8, out, in), own);
      CudaTensor scales = track(device.allocate(out), own);
      kernel("int8_of_" + typeOf(weight)).launch(out, 1, 1, BLOCK, 0, weight, in, codes, scales);
      return new CudaMatrix(WeightPrecision.INT8, codes, scales, out, in);
    }
    if (storage == WeightPrecision.NF4 && in % NormalFloat4.BLOCK == 0) {
      CudaNf4Tensor packed = device.toNf4(weight);
      track(packed.codes(), own);
      track(packed.scales(), own);
      return CudaMatrix.of(packed);
    }
    // Rows that do not divide into the kernels' blocks stay as they are.
    return new CudaMatrix(ofDevice(device), weight, null, out, in);
  }

  /** A weight as a product of many rows wants it: widened into {@code room} if it is quantised. */
  CudaTensor forProduct(CudaMatrix matrix, CudaBuffers room) {
    if (matrix.scales() == null) {
      return matrix.data();
    }
    CudaTensor wide =
        room.get("widened", ElementType.BFLOAT16, (long) matrix.out() * matrix.in())
            .view(0, matrix.out(), matrix.in());
    if (matrix.storage() == WeightPrecision.INT8) {
      kernel("bfloat16_of_int8")
          .launch(
              matrix.out(),
              blocks(matrix.in()),
              1,
              BLOCK,
              0,
              matrix.data(),
              matrix.scales(),
              matrix.in(),
              wide);
    } else {
      device.copy(CudaNf4Tensor.of(matrix.data(), matrix.scales()), wide);
    }
    return wide;
  }

  private CudaKernel kernel(String function) {
    return device.kernel(CudaWeights.class, "decode_weights.cu", function);
  }

  private static int blocks(long elements) {
    return Math.toIntExact((elements + BLOCK - 1) / BLOCK);
  }

  /** A type's name in the names of kernels. */
  static String typeOf(CudaTensor tensor) {
    return switch (tensor.type()) {
      case FLOAT32 -> "float32";
      case BFLOAT16 -> "bfloat16";
      default -> throw new IllegalArgumentException("No weights or activations are " + tensor);
    };
  }

  private static CudaTensor track(CudaTensor tensor, List<CudaTensor> own) {
    own.add(tensor);
    return tensor;
  }

  @Override
  public void close() {
    shared.forEach(CudaTensor::close);
    shared.clear();
    matrices.clear();
    vectors.clear();
    embeddings.clear();
  }
}
