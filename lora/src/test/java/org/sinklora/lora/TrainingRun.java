package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.sinklora.compute.Device;
import org.sinklora.sfattn.AttentionPattern;

/** A small training run: a model with an adapter and the trainer that trains it. */
record TrainingRun(CausalLm base, LoraAdapter adapter, LoraTrainer trainer)
    implements AutoCloseable {
  static final AttentionPlan SF = AttentionPlan.of(AttentionPattern.sinkFixed(6, 0.25, 2));

  static final UnaryOperator<LoraConfigBuilder> DROPOUT = config -> config.optDropout(0.3);

  /** A run of twelve steps over a folder's model, with a low-rank update, norms and embeddings. */
  static TrainingRun start(
      Path folder,
      Device device,
      UnaryOperator<LoraConfigBuilder> adapterChange,
      UnaryOperator<TrainingConfig.Builder> change)
      throws IOException {
    return start(folder, device, adapterChange, change, GradientExchange.alone());
  }

  /** The same as a rank. */
  static TrainingRun start(
      Path folder,
      Device device,
      UnaryOperator<LoraConfigBuilder> adapterChange,
      UnaryOperator<TrainingConfig.Builder> change,
      GradientExchange exchange)
      throws IOException {
    TinyModel.llama("\"num_key_value_heads\": 2").writeTo(folder);
    CausalLm base = CausalLm.load(folder, device);
    LoraConfig config =
        adapterChange
            .apply(
                Variant.settings()
                    .setTargetModules("q_proj", "v_proj", "down_proj")
                    .optModulesToSave(List.of("norm", "embed_tokens")))
            .build();
    LoraAdapter adapter = LoraAdapter.create(base, config, 1);
    TrainingConfig.Builder settings =
        TrainingConfig.builder(12)
            .optLearningRate(0.01)
            .optWarmupSteps(2)
            .optSchedule(LearningRateSchedule.COSINE)
            .optAttention(SF.withFullAttentionLayers(0, 1).withFullAttentionTail(0.25))
            .optSeed(9);
    LoraTrainer trainer =
        new LoraTrainer(base.withAdapter(adapter), change.apply(settings).build(), exchange);
    return new TrainingRun(base, adapter, trainer);
  }

  static TrainingRun start(Path folder, Device device) throws IOException {
    return start(folder, device, DROPOUT, UnaryOperator.identity());
  }

  /** The batches of a step: two, of one and of two documents. */
  static List<TokenBatch> batches(long step) {
    SplittableRandom random = new SplittableRandom(step);
    return List.of(
        TokenBatch.of(List.of(document(random, 14)), 3 * step),
        TokenBatch.of(List.of(document(random, 9), document(random, 5)), 3 * step + 1));
  }

  /** The documents of {@link #batches} in one batch. */
  static TokenBatch together(long step) {
    SplittableRandom random = new SplittableRandom(step);
    return TokenBatch.of(
        List.of(document(random, 14), document(random, 9), document(random, 5)), 3 * step);
  }

  static int[] document(SplittableRandom random, int length) {
    return random.ints(length, 0, TinyModel.VOCABULARY).toArray();
  }

  /** Losses of steps {@code from} to {@code to}. */
  List<Double> losses(int from, int to) {
    List<Double> losses = new ArrayList<>();
    for (int step = from; step < to; step++) {
      losses.add(trainer.step(batches(step)).loss());
    }
    return losses;
  }

  /** All values of the adapter. */
  List<Float> values() {
    List<Float> values = new ArrayList<>();
    for (Parameter parameter : adapter.parameters()) {
      for (float value : Variant.valuesOf(base.device(), parameter)) {
        values.add(value);
      }
    }
    return values;
  }

  @Override
  public void close() {
    trainer.close();
    adapter.close();
    base.close();
  }
}
