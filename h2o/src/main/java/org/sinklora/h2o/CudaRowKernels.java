package org.sinklora.h2o;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.GeluKind;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaKernel;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/**
 * Launches of what a token's row goes through between embedding and logits, but for attention.
 *
 * <p>The residual stream is float32; what goes into a linear has the device's precision.
 */
final class CudaRowKernels {
  /** Rows of a batch that one launch of a linear takes. */
  static final int MOST_ROWS = 16;

  private static final String LINEAR = "decode_linear.cu";
  private static final String ROWS = "decode_rows.cu";
  private static final int BLOCK = 256;
  private static final int NORM_THREADS = 512;
  private static final int LORA_THREADS = 128;

  /** Rows of a weight that a block of the tensor-core kernels takes; of each of two for SwiGLU. */
  private static final int BLOCK_ROWS = 16;

  private static final int WARPS = BLOCK / 32;

  private final CudaDevice device;
  private final ElementType type;
  private final String typeName;
  private final Map<String, CudaKernel> kernels = new HashMap<>();

  CudaRowKernels(CudaDevice device) {
    this.device = device;
    this.type = device.precision().elementType();
    this.typeName = type == ElementType.FLOAT32 ? "float32" : "bfloat16";
  }

  /** The type of what goes into a linear. */
  ElementType type() {
    return type;
  }

  /** Its name in the names of kernels. */
  String typeName() {
    return typeName;
  }

  /** What a linear does with its sums. */
  enum Mode {
    /** Writes them, float32. */
    STORE("store"),
    /** Adds them to what is there, float32. */
    RESIDUAL("residual"),
    /** Of gate and up: writes {@code silu(gate) · up}. */
    SWIGLU("swiglu"),
    GELU_ERF("gelu_erf"),
    GELU_TANH("gelu_tanh");

    private final String suffix;

    Mode(String suffix) {
      this.suffix = suffix;
    }

    static Mode of(GeluKind gelu) {
      if (gelu == null) {
        return SWIGLU;
      }
      return isTanh(gelu) ? GELU_TANH : GELU_ERF;
    }
  }

  static boolean isTanh(GeluKind gelu) {
    return gelu == GeluKind.TANH;
  }

  private CudaKernel kernel(String resource, String function) {
    return kernels.computeIfAbsent(
        function, name -> device.kernel(CudaRowKernels.class, resource, name));
  }

  /**
   * {@code x[i, :] = table[tokens[i · stride], :]}.
   *
   * @param table float32 or bfloat16
   * @param x [rows, hidden]
   */
  void embed(CudaTensor tokens, int stride, int rows, CudaTensor table, CudaTensor x) {
    int hidden = Math.toIntExact(table.dim(1));
    kernel(ROWS, "embed_" + CudaWeights.typeOf(table))
        .launch(rows, 1, 1, BLOCK, 0, tokens, stride, table, hidden, x);
  }

  /** Normalises rows of x [rows, hidden] into y of the device's precision. */
  void norm(CudaNorm norm, CudaTensor x, int rows, CudaTensor y) {
    int hidden = Math.toIntExact(norm.weight().size());
    kernel(ROWS, "norm_" + typeName)
        .launch(
            rows, 1, 1, NORM_THREADS, 0, x, norm.weight(), norm.bias(), norm.epsilon(), hidden, y);
  }

  private static int ranks(List<CudaLinear> linears) {
    return linears.stream().mapToInt(CudaLinear::rank).sum();
  }

  private static CudaLinear at(List<CudaLinear> linears, int i) {
    return i < linears.size() ? linears.get(i) : null;
  }

  private static int rank(List<CudaLinear> linears, int i) {
    return i < linears.size() ? linears.get(i).rank() : 0;
  }

  private static int out(List<CudaLinear> linears, int i) {
    return i < linears.size() ? linears.get(i).weight().out() : 0;
  }

  private static CudaTensor a(List<CudaLinear> linears, int i) {
    CudaLinear linear = at(linears, i);
    return linear == null || linear.lowRank() == null ? null : linear.lowRank().a();
  }

  private static CudaTensor b(List<CudaLinear> linears, int i) {
    CudaLinear linear = at(linears, i);
    return linear == null || linear.lowRank() == null ? null : linear.lowRank().b();
  }

  private static CudaTensor bias(List<CudaLinear> linears, int i) {
    CudaLinear linear = at(linears, i);
    return linear == null ? null : linear.bias();
  }

  /**
   * {@code u = A x} of all updates of up to three linears with one input.
   *
   * @param x [rows, in]
   * @param u [rows, sum of the ranks]
   */
  void loraDown(List<CudaLinear> linears, CudaTensor x, int rows, CudaTensor u) {
    int ranks = ranks(linears);
    if (ranks > 0) {
      kernel(ROWS, "lora_down_" + typeName)
          .launch(
              ranks,
              rows,
              1,
              LORA_THREADS,
              0,
              a(linears, 0),
              a(linears, 1),
              a(linears, 2),
              rank(linears, 0),
              rank(linears, 1),
              linears.get(0).weight().in(),
              x,
              u);
    }
  }

  /**
   * What is added to the products of up to three linears: bias and {@code B u}.
   *
   * @param y [rows, sum of the outputs]
   */
  void loraUp(List<CudaLinear> linears, CudaTensor u, int rows, CudaTensor y) {
    int columns = columns(linears);
    kernel(ROWS, "lora_up")
        .launch(
            (columns + BLOCK - 1) / BLOCK,
            rows,
            1,
            BLOCK,
            0,
            bias(linears, 0),
            bias(linears, 1),
            bias(linears, 2),
            b(linears, 0),
            b(linears, 1),
            b(linears, 2),
            rank(linears, 0),
            rank(linears, 1),
            rank(linears, 2),
            out(linears, 0),
            out(linears, 1),
            out(linears, 2),
            u,
            y);
  }

  /**
   * Adds a linear's bias and {@code B u} to what its product has put out.
   *
   * @param u float32, the linear's part of a row at its beginning
   * @param uRow elements from a row to the next
   * @param y [rows, out]
   */
  void loraAdd(CudaLinear linear, CudaTensor u, int uRow, int rows, CudaTensor y) {
    int out = linear.weight().out();
    kernel(ROWS, "lora_add_" + typeName)
        .launch(
            (out + BLOCK - 1) / BLOCK,
            rows,
            1,
            BLOCK,
            0,
            linear.bias(),
            linear.lowRank() == null ? null : linear.lowRank().b(),
            linear.rank(),
            out,
            u,
            uRow,
            y);
  }

  static int columns(List<CudaLinear> linears) {
    return linears.stream().mapToInt(linear -> linear.weight().out()).sum();
  }

  /**
   * Up to three linears with one input, for a batch of any size.
   *
   * @param x [rows, in], of the device's precision
   * @param addend [rows, sum of the outputs] float32, added to the products; null for none
   * @param y [rows, sum of the outputs], or [rows, out] for SwiGLU
   */
  void linear(
      List<CudaLinear> linears,
      Mode mode,
      CudaTensor x,
      int rows,
      CudaTensor addend,
      CudaTensor y) {
    int in = linears.get(0).weight().in();
    int columns = columns(linears);
    int yColumns = mode == Mode.SWIGLU ? out(linears, 0) : columns;
    for (int row = 0; row < rows; row += MOST_ROWS) {
      int count = Math.min(MOST_ROWS, rows - row);
      launch(
          linears,
          mode,
          part(x, row, count, in),
          count,
          addend == null ? null : part(addend, row, count, columns),
          part(y, row, count, yColumns));
    }
  }

  private static CudaTensor part(CudaTensor tensor, int row, int count, int columns) {
    return tensor.view((long) row * columns, (long) count * columns);
  }

  private void launch(
      List<CudaLinear> linears,
      Mode mode,
      CudaTensor x,
      int rows,
      CudaTensor addend,
      CudaTensor y) {
    WeightPrecision storage = linears.get(0).weight().storage();
    kernel(LINEAR, kernelName(linears, mode, rows))
        .launch(
            blocks(linears, mode, storage),
            1,
            1,
            BLOCK,
            0,
            data(linears, 0),
            data(linears, 1),
            data(linears, 2),
            scales(linears, 0),
            scales(linears, 1),
            scales(linears, 2),
            out(linears, 0),
            out(linears, 1),
            out(linears, 2),
            linears.get(0).weight().in(),
            x,
            rows,
            addend,
            y);
  }

  private static String kernelName(List<CudaLinear> linears, Mode mode, int rows) {
    String tiles = rows <= 8 ? "_8_" : "_16_";
    return switch (linears.get(0).weight().storage()) {
      case FLOAT32 -> "float32_" + mode.suffix;
      case BFLOAT16 ->
          (linears.stream().allMatch(linear -> linear.weight().isAligned())
                  ? "bf16_aligned"
                  : "bf16_any")
              + tiles
              + mode.suffix;
      case INT8 -> "int8" + tiles + mode.suffix;
      case NF4 -> "nf4" + tiles + mode.suffix;
    };
  }

  private static int blocks(List<CudaLinear> linears, Mode mode, WeightPrecision storage) {
    int first = out(linears, 0);
    if (storage == WeightPrecision.FLOAT32) {
      int units = mode == Mode.SWIGLU ? first : columns(linears);
      return (units + WARPS - 1) / WARPS;
    }
    if (mode == Mode.SWIGLU) {
      return (first + BLOCK_ROWS / 2 - 1) / (BLOCK_ROWS / 2);
    }
    return linears.stream()
        .mapToInt(linear -> (linear.weight().out() + BLOCK_ROWS - 1) / BLOCK_ROWS)
        .sum();
  }

  private static CudaTensor data(List<CudaLinear> linears, int i) {
    CudaLinear linear = at(linears, i);
    return linear == null ? null : linear.weight().data();
  }

  private static CudaTensor scales(List<CudaLinear> linears, int i) {
    CudaLinear linear = at(linears, i);
    return linear == null ? null : linear.weight().scales();
  }

  /** {@code gate = silu(gate) · up}. */
  void swiGlu(CudaTensor gate, CudaTensor up) {
    kernel(ROWS, "swiglu_" + typeName)
        .launch(blocks(gate.size()), 1, 1, BLOCK, 0, gate, up, gate.size());
  }

  void gelu(CudaTensor y, GeluKind kind) {
    kernel(ROWS, "gelu_" + typeName)
        .launch(blocks(y.size()), 1, 1, BLOCK, 0, y, isTanh(kind) ? 1 : 0, y.size());
  }

  /** {@code x += y}. */
  void add(CudaTensor y, CudaTensor x) {
    kernel(ROWS, "add_" + typeName).launch(blocks(x.size()), 1, 1, BLOCK, 0, y, x, x.size());
  }

  private static int blocks(long elements) {
    return Math.toIntExact((elements + BLOCK - 1) / BLOCK);
  }
}
