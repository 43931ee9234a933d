package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.cuMemcpyDtoDAsync;
import static org.bytedeco.cuda.global.cudart.cuMemsetD16Async;
import static org.bytedeco.cuda.global.cudart.cuMemsetD32Async;
import static org.sinklora.compute.cuda.Operands.define;
import static org.sinklora.compute.cuda.Operands.float32;
import static org.sinklora.compute.cuda.Operands.floats;
import static org.sinklora.compute.cuda.Operands.sameSize;

import org.sinklora.compute.AdamWStep;
import org.sinklora.compute.GeluKind;

/** Operations on every element by itself, and the sum of squares. */
final class CudaElementwise {
  private static final int THREADS = 256;
  private static final int BLOCKS_PER_MULTIPROCESSOR = 16;

  private final CudaDevice device;
  private final CudaContext context;

  CudaElementwise(CudaDevice device, CudaContext context) {
    this.device = device;
    this.context = context;
  }

  private CudaKernel kernel(String resource, String function, String... defines) {
    return device.kernel(CudaElementwise.class, resource, function, defines);
  }

  private int blocks(long elements, int perMultiprocessor) {
    long wanted = (elements + 8L * THREADS - 1) / (8L * THREADS);
    return (int) Math.min(wanted, (long) perMultiprocessor * device.info().multiprocessors());
  }

  private void launch(CudaKernel kernel, long elements, Object... arguments) {
    kernel.launch(blocks(elements, BLOCKS_PER_MULTIPROCESSOR), 1, 1, THREADS, 0, arguments);
  }

  void copy(CudaTensor x, CudaTensor y) {
    sameSize(x, y);
    if (x.type() == y.type()) {
      context.enter();
      context.check(
          cuMemcpyDtoDAsync(y.address(), x.address(), x.bytes(), context.stream()),
          "cuMemcpyDtoDAsync of " + x);
      return;
    }
    String from = define("SOURCE", floats(x));
    String to = define("TARGET", floats(y));
    launch(kernel("elementwise.cu", "convert", from, to), x.size(), x, y, x.size());
  }

  void fill(CudaTensor y, float value) {
    context.enter();
    int bits = Float.floatToRawIntBits(value);
    if (floats(y) == ElementType.FLOAT32) {
      context.check(
          cuMemsetD32Async(y.address(), bits, y.size(), context.stream()), "cuMemsetD32Async");
    } else {
      context.check(
          cuMemsetD16Async(y.address(), bfloat16(value), y.size(), context.stream()),
          "cuMemsetD16Async");
    }
  }

  /** The nearest bfloat16; of two that are as near the even one. */
  static short bfloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16);
  }

  void axpy(float alpha, CudaTensor x, CudaTensor y) {
    sameSize(x, y);
    String from = define("SOURCE", floats(x));
    String to = define("TARGET", floats(y));
    launch(kernel("elementwise.cu", "axpy", from, to), x.size(), alpha, x, y, x.size());
  }

  void scale(CudaTensor x, float alpha) {
    String type = define("TARGET", floats(x));
    launch(kernel("elementwise.cu", "scale", type), x.size(), x, alpha, x.size());
  }

  void swiGlu(CudaTensor gate, CudaTensor up, CudaTensor y) {
    sameSize(gate, up);
    sameSize(gate, y);
    String type = define("ELEMENT", floats(gate, up, y));
    launch(kernel("activations.cu", "swiGlu", type), y.size(), gate, up, y, y.size());
  }

  void swiGluBackward(
      CudaTensor dY, CudaTensor gate, CudaTensor up, CudaTensor dGate, CudaTensor dUp) {
    sameSize(dY, gate);
    sameSize(dY, up);
    sameSize(dY, dGate);
    sameSize(dY, dUp);
    String type = define("ELEMENT", floats(dY, gate, up, dGate, dUp));
    launch(
        kernel("activations.cu", "swiGluBackward", type),
        dY.size(),
        dY,
        gate,
        up,
        dGate,
        dUp,
        dY.size());
  }

  void gelu(CudaTensor x, GeluKind kind, CudaTensor y) {
    sameSize(x, y);
    String type = define("ELEMENT", floats(x, y));
    String function = kind == GeluKind.ERF ? "geluErf" : "geluTanh";
    launch(kernel("activations.cu", function, type), x.size(), x, y, x.size());
  }

  void geluBackward(CudaTensor dY, CudaTensor x, GeluKind kind, CudaTensor dX) {
    sameSize(dY, x);
    sameSize(dY, dX);
    String type = define("ELEMENT", floats(dY, x, dX));
    String function = kind == GeluKind.ERF ? "geluErfBackward" : "geluTanhBackward";
    launch(kernel("activations.cu", function, type), x.size(), dY, x, dX, x.size());
  }

  void dropout(CudaTensor x, float rate, long key, long firstElement, CudaTensor y) {
    sameSize(x, y);
    if (!(rate >= 0 && rate < 1)) {
      throw new IllegalArgumentException("A dropout rate lies in [0, 1), not " + rate);
    }
    String type = define("ELEMENT", floats(x, y));
    launch(
        kernel("random.cu", "dropout", type),
        x.size(),
        x,
        y,
        rate,
        1 / (1 - rate),
        key,
        firstElement,
        x.size());
  }

  void fillNormal(CudaTensor y, float deviation, long seed) {
    String type = define("ELEMENT", floats(y));
    launch(kernel("random.cu", "fillNormal", type), y.size(), y, deviation, spread(seed), y.size());
  }

  /** Neighbouring seeds become keys that have nothing to do with each other. */
  private static long spread(long seed) {
    long z = (seed ^ (seed >>> 33)) * 0xFF51AFD7ED558CCDL;
    z = (z ^ (z >>> 33)) * 0xC4CEB9FE1A85EC53L;
    return z ^ (z >>> 33);
  }

  double sumOfSquares(CudaTensor x) {
    String type = define("ELEMENT", floats(x));
    int parts = blocks(x.size(), 8);
    // Doubles, as pairs of floats; the last one is the total.
    CudaTensor partial = device.scratch("sumOfSquares", ElementType.FLOAT32, 2L * parts + 2);
    CudaTensor total = partial.view(2L * parts, 2);
    kernel("optimizer.cu", "sumOfSquares", type)
        .launch(parts, 1, 1, THREADS, 0, x, partial, x.size());
    kernel("optimizer.cu", "addParts", type).launch(1, 1, 1, THREADS, 0, partial, total, parts);
    return device.downloadDouble(total);
  }

  void adamW(
      CudaTensor parameter,
      CudaTensor gradient,
      CudaTensor first,
      CudaTensor second,
      float gradientScale,
      AdamWStep step) {
    sameSize(parameter, gradient);
    sameSize(parameter, first);
    sameSize(parameter, second);
    float32(parameter, gradient, first, second);
    launch(
        kernel("optimizer.cu", "adamW", define("ELEMENT", ElementType.FLOAT32)),
        parameter.size(),
        parameter,
        gradient,
        first,
        second,
        gradientScale,
        (float) (1 - step.learningRate() * step.weightDecay()),
        (float) (step.learningRate() / step.firstCorrection()),
        (float) Math.sqrt(step.secondCorrection()),
        (float) step.beta1(),
        (float) (1 - step.beta1()),
        (float) step.beta2(),
        (float) (1 - step.beta2()),
        (float) step.epsilon(),
        parameter.size());
  }
}
