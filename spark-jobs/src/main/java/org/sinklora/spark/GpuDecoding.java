package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.CudaDecodeBench;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.WeightPrecision;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.NamedShapes;
import org.sinklora.lora.StepBench;

/** Measures decoding on a GPU. */
final class GpuDecoding {
  private final DeviceChoice choice;
  private final WeightPrecision weights;
  private final CachePrecision cachePrecision;
  private final int steps;

  /**
   * @param choice a GPU
   * @param weights null for bfloat16
   * @param cachePrecision null for bfloat16
   * @param steps that are measured
   */
  GpuDecoding(
      DeviceChoice choice, WeightPrecision weights, CachePrecision cachePrecision, int steps) {
    this.choice = choice;
    this.weights = weights == null ? WeightPrecision.BFLOAT16 : weights;
    this.cachePrecision = cachePrecision == null ? CachePrecision.BFLOAT16 : cachePrecision;
    this.steps = steps;
  }

  private CudaDevice open() {
    return CudaDevice.open(
        choice.gpu().ordinal(),
        weights == WeightPrecision.FLOAT32 ? CudaPrecision.FLOAT32 : choice.precision());
  }

  /** Of random weights: nothing but the GPU is needed. */
  List<CudaDecodeBench.Row> ofShape(
      String shape, List<KvCachePolicy> policies, List<Integer> contexts, int batch) {
    try (CudaDevice device = open();
        CudaDecodeBench bench =
            CudaDecodeBench.random(
                device, config(shape, contexts), weights, cachePrecision, steps)) {
      return run(bench, policies, contexts, batch);
    }
  }

  private static ModelConfig config(String shape, List<Integer> contexts) {
    int longest = contexts.stream().mapToInt(Integer::intValue).max().orElseThrow();
    return StepBench.extended(NamedShapes.of(shape), longest);
  }

  /** Of a model's weights. */
  List<CudaDecodeBench.Row> ofModel(
      String location, List<KvCachePolicy> policies, List<Integer> contexts, int batch)
      throws IOException {
    Storage storage = Storage.here();
    ModelSource source = ModelSource.of(location, storage);
    try (CudaDevice device = open();
        CausalLm model = source.load(storage, device);
        CudaDecodeBench bench = CudaDecodeBench.of(model, weights, cachePrecision, steps)) {
      return run(bench, policies, contexts, batch);
    }
  }

  private static List<CudaDecodeBench.Row> run(
      CudaDecodeBench bench, List<KvCachePolicy> policies, List<Integer> contexts, int batch) {
    List<CudaDecodeBench.Row> rows = new ArrayList<>();
    for (int context : contexts) {
      for (KvCachePolicy policy : policies) {
        rows.add(bench.run(policy, context, batch));
      }
    }
    return rows;
  }
}
