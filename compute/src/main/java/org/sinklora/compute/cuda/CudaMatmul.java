package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cublas.cublasLtCreate;
import static org.bytedeco.cuda.global.cublas.cublasLtDestroy;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmul;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.javacpp.FloatPointer;

/**
 * Matrix products by cuBLASLt, accumulated in float32.
 *
 * <p>Two float32 operands with a float32 result are multiplied exactly as that says. Otherwise the
 * tensor cores multiply bfloat16: an operand that is float32, such as a LoRA matrix next to
 * activations, is rounded into work space first.
 */
final class CudaMatmul {
  /** Sequences come in many lengths: plans that were not used for long are made again. */
  private static final class RecentPlans extends LinkedHashMap<MatmulShape, MatmulPlan> {
    private static final long serialVersionUID = 1;
    private static final int LARGEST = 2048;

    RecentPlans() {
      super(64, 0.75f, true);
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<MatmulShape, MatmulPlan> eldest) {
      return size() > LARGEST;
    }
  }

  private final CudaDevice device;
  private final CudaContext context;
  private final cublasLtContext handle = new cublasLtContext();
  private final Map<MatmulShape, MatmulPlan> plans = new RecentPlans();
  private final FloatPointer alphaValue = new FloatPointer(1);
  private final FloatPointer betaValue = new FloatPointer(1);
  private final RawPointer addressA = new RawPointer();
  private final RawPointer addressB = new RawPointer();
  private final RawPointer addressC = new RawPointer();
  private final RawPointer addressD = new RawPointer();
  private final RawPointer workspace = new RawPointer();

  CudaMatmul(CudaDevice device, CudaContext context) {
    this.device = device;
    this.context = context;
    context.enter();
    int result = cublasLtCreate(handle);
    if (result != 0) {
      throw context.failure("cublasLtCreate", CudaStatus.cublasLt(result));
    }
  }

  /** {@code d = alpha · op(a) · op(b) + beta · c}; c may be d. */
  void multiply(
      CudaTensor a,
      boolean transposeA,
      CudaTensor b,
      boolean transposeB,
      float alpha,
      float beta,
      CudaTensor c,
      CudaTensor d) {
    MatmulShape.check(a, transposeA, b, transposeB, d);
    Operands.sameSize(c, d);
    Operands.floats(c, d);
    boolean exact =
        Operands.floats(a) == ElementType.FLOAT32
            && Operands.floats(b) == ElementType.FLOAT32
            && d.type() == ElementType.FLOAT32;
    ElementType in = exact ? ElementType.FLOAT32 : ElementType.BFLOAT16;
    CudaTensor first = operand(in, a, "matmul a");
    CudaTensor second = operand(in, b, "matmul b");
    CudaTensor result = aligned(d) ? d : workSpace("matmul d", d.type(), d);
    CudaTensor added = c;
    if (beta == 0) {
      added = result;
    } else if (!aligned(c)) {
      device.copy(c, result);
      added = result;
    }
    run(first, transposeA, second, transposeB, alpha, beta, added, result);
    if (result != d) {
      device.copy(result, d);
    }
  }

  private void run(
      CudaTensor a,
      boolean transposeA,
      CudaTensor b,
      boolean transposeB,
      float alpha,
      float beta,
      CudaTensor c,
      CudaTensor d) {
    MatmulShape shape = MatmulShape.of(a, transposeA, b, transposeB, c, d, beta != 0);
    context.enter();
    MatmulPlan plan = plans.get(shape);
    if (plan == null) {
      plan = new MatmulPlan(context, handle, shape);
      plans.put(shape, plan);
    }
    run(plan, shape, a, b, alpha, beta, c, d);
  }

  private void run(
      MatmulPlan plan,
      MatmulShape shape,
      CudaTensor a,
      CudaTensor b,
      float alpha,
      float beta,
      CudaTensor c,
      CudaTensor d) {
    CudaTensor space =
        device.scratch("matmul workspace", ElementType.INT8, MatmulPlan.WORKSPACE_BYTES);
    int result =
        cublasLtMatmul(
            handle,
            plan.product,
            alphaValue.put(alpha),
            addressB.at(b.address()),
            plan.layoutB,
            addressA.at(a.address()),
            plan.layoutA,
            betaValue.put(beta),
            addressC.at(c.address()),
            plan.layoutD,
            addressD.at(d.address()),
            plan.layoutD,
            plan.algorithm,
            workspace.at(space.address()),
            MatmulPlan.WORKSPACE_BYTES,
            context.stream());
    if (result != 0) {
      throw context.failure("cublasLtMatmul of " + shape, CudaStatus.cublasLt(result));
    }
  }

  /** The operand in the type that is multiplied, where the tensor cores can read it. */
  private CudaTensor operand(ElementType type, CudaTensor x, String name) {
    if (x.type() == type && aligned(x)) {
      return x;
    }
    CudaTensor staged = workSpace(name, type, x);
    device.copy(x, staged);
    return staged;
  }

  private CudaTensor workSpace(String name, ElementType type, CudaTensor like) {
    return device.scratch(name, type, like.size()).view(0, like.shape());
  }

  /** A view may begin anywhere; cuBLASLt's kernels read 16 bytes at a time. */
  private static boolean aligned(CudaTensor x) {
    return x.address() % 16 == 0;
  }

  void close() {
    context.enter();
    int result = cublasLtDestroy(handle);
    if (result != 0) {
      throw context.failure("cublasLtDestroy", CudaStatus.cublasLt(result));
    }
  }
}
