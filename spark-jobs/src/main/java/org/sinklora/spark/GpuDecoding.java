package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.CudaDecodeBench;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.WeightPrecision;
import org.sinklora.lora.CausalLm;

/** Measures decoding on the first GPU. */
final class GpuDecoding {
  private final WeightPrecision weights;
  private final CachePrecision cachePrecision;
  private final int steps;

  /**
   * @param weights null for bfloat16
   * @param cachePrecision null for bfloat16
   * @param steps that are measured
   */
  GpuDecoding(WeightPrecision weights, CachePrecision cachePrecision, int steps) {
    this.weights = weights == null ? WeightPrecision.BFLOAT16 : weights;
    this.cachePrecision = cachePrecision == null ? CachePrecision.BFLOAT16 : cachePrecision;
    this.steps = steps;
  }

  private CudaDevice open() {
    if (CudaDevice.list().isEmpty()) {
      throw new UserException(
          "There is no GPU to measure: %s. Without --device cuda the CPU is measured"
              .formatted(CudaDevice.whyNone()));
    }
    return CudaDevice.open(
        0, weights == WeightPrecision.FLOAT32 ? CudaPrecision.FLOAT32 : CudaPrecision.BFLOAT16);
  }

  /** Of random weights: nothing but the GPU is needed. */
  List<CudaDecodeBench.Row> ofShape(
      NamedShape shape, List<KvCachePolicy> policies, List<Integer> contexts, int batch) {
    try (CudaDevice device = open();
        CudaDecodeBench bench =
            CudaDecodeBench.random(device, shape.config(), weights, cachePrecision, steps)) {
      return run(bench, policies, contexts, batch);
    }
  }

  /** Of a model's weights. */
  List<CudaDecodeBench.Row> ofModel(
      String location, List<KvCachePolicy> policies, List<Integer> contexts, int batch)
      throws IOException {
    Configuration hadoop = new Configuration();
    ModelSource source = ModelSource.of(location, hadoop);
    try (CudaDevice device = open();
        CausalLm model = CausalLm.load(source.folder(hadoop), source.config(), device);
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
