package org.sinklora.spark;

import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.sinklora.data.BundledModel;

/** Values of params that nobody set. */
final class ParamDefaults {
  private ParamDefaults() {}

  static void ofOutput(SinkLoraOutputParams<?> params) {
    set(params, params.model(), BundledModel.NAME);
    set(params, params.inputCol(), "text");
    set(params, params.output(), SinkLoraOutputParams.PERPLEXITY);
    set(params, params.maxNewTokens(), 64);
    set(params, params.kv(), "full");
    set(params, params.temperature(), 0.0);
    set(params, params.topP(), 1.0);
    set(params, params.seed(), 0L);
  }

  /**
   * Those of {@link TrainOptions}, where context and group size follow from the model; but for the
   * device, since a fit shall not depend on what the machine has.
   */
  static void ofTraining(SinkLoraTrainingParams<?> params) {
    set(params, params.ropeScaling(), "linear");
    set(params, params.attention(), "sf");
    set(params, params.sinks(), 4);
    set(params, params.shiftedHeadRatio(), 0.25);
    set(params, params.fullAttentionLayers(), new int[0]);
    set(params, params.fullAttentionTail(), 0.0);
    set(params, params.rank(), 8);
    set(params, params.alpha(), 16.0);
    set(params, params.dropout(), 0.0);
    set(params, params.targetModules(), new String[] {"q_proj", "k_proj", "v_proj", "o_proj"});
    set(params, params.modulesToSave(), new String[0]);
    set(params, params.quantization(), "none");
    set(params, params.steps(), 100L);
    set(params, params.batchSize(), 1);
    set(params, params.learningRate(), 2e-5);
    set(params, params.schedule(), "constant_with_warmup");
    set(params, params.warmupSteps(), 20);
    set(params, params.weightDecay(), 0.0);
    set(params, params.maxGradNorm(), 1.0);
    set(params, params.gradientCheckpointing(), "auto");
    set(params, params.syncEvery(), 1);
    set(params, params.workers(), 0);
    set(params, params.outerLearningRate(), 0.7);
    set(params, params.outerMomentum(), 0.5);
    set(params, params.communication(), "float32");
    set(params, params.device(), "cpu");
    set(params, params.memoryLimit(), 0.0);
    set(params, params.partitions(), 0);
    set(params, params.sequencesPerPass(), 1);
    set(params, params.minCharacters(), 0);
    set(params, params.pack(), false);
  }

  // A param's type is Object in Java where it is a primitive one in Scala.
  @SuppressWarnings("unchecked")
  private static void set(Params params, Param<?> param, Object value) {
    params.setDefault((Param<Object>) param, value);
  }
}
