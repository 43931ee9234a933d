package org.sinklora.spark;

import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.sinklora.h2o.KvCachePolicy;

/**
 * What a {@link SinkLoraModel} reads and adds; the estimator hands it on.
 *
 * @param <S> the class that has these params, which its setters return
 */
public interface SinkLoraOutputParams<S extends SinkLoraOutputParams<S>> extends Params {
  /** Value of {@link #output()} for the perplexity of each document. */
  String PERPLEXITY = "perplexity";

  /** Value of {@link #output()} for a continuation of each text. */
  String GENERATION = "generation";

  /** Base model: a Hugging Face model folder on a path that every host sees, or the bundled one. */
  default Param<String> model() {
    return new Param<>(
        this, "model", "Hugging Face model folder, or the name of the bundled model");
  }

  /** Base model: a Hugging Face model folder, or the name of the bundled model. */
  default String getModel() {
    return getOrDefault(model());
  }

  /** Sets the base model. */
  default S setModel(String value) {
    return ParamSetting.set(this, model(), value);
  }

  /** Column with texts (string) or with token ids as {@code prepare} writes them (array of int). */
  default Param<String> inputCol() {
    return new Param<>(this, "inputCol", "column with texts (string) or token ids (array<int>)");
  }

  /** Column with texts or token ids. */
  default String getInputCol() {
    return getOrDefault(inputCol());
  }

  /** Sets the column with texts or token ids. */
  default S setInputCol(String value) {
    return ParamSetting.set(this, inputCol(), value);
  }

  /** Column that is added; by default it is called like {@link #output()}. */
  default Param<String> outputCol() {
    return new Param<>(this, "outputCol", "column that is added; if not set, named like output");
  }

  /** Column that is added. */
  default String getOutputCol() {
    return isDefined(outputCol()) ? getOrDefault(outputCol()) : getOutput();
  }

  /** Sets the column that is added. */
  default S setOutputCol(String value) {
    return ParamSetting.set(this, outputCol(), value);
  }

  /**
   * {@value #PERPLEXITY}: of each document, cut to the context, under full attention (double; null
   * where there is nothing to predict). {@value #GENERATION}: how each text goes on (string).
   */
  default Param<String> output() {
    return new Param<>(
        this,
        "output",
        "perplexity of each document, cut to the context, or generation: how each text goes on",
        ParamRule.oneOf("output", PERPLEXITY, GENERATION));
  }

  /** What is added to each row. */
  default String getOutput() {
    return getOrDefault(output());
  }

  /** Sets what is added to each row. */
  default S setOutput(String value) {
    return ParamSetting.set(this, output(), value);
  }

  /** The most tokens that a text goes on for. A prompt that leaves no room loses its beginning. */
  default IntParam maxNewTokens() {
    return new IntParam(
        this,
        "maxNewTokens",
        "the most tokens of a generation",
        ParamRule.atLeast("maxNewTokens", 1));
  }

  /** The most tokens of a generation. */
  default int getMaxNewTokens() {
    return (Integer) getOrDefault(maxNewTokens());
  }

  /** Sets the most tokens of a generation. */
  default S setMaxNewTokens(int value) {
    return ParamSetting.set(this, maxNewTokens(), value);
  }

  /** What the KV cache of a generation keeps, as {@code generate --kv}. */
  default Param<String> kv() {
    return new Param<>(
        this,
        "kv",
        "what the KV cache keeps: full, h2o:heavy=0.1,recent=0.1, streaming:sinks=4,recent=1024 or"
            + " snapkv:budget=512,window=32",
        ParamRule.parsed("kv", KvCachePolicy::parse));
  }

  /** What the KV cache of a generation keeps. */
  default String getKv() {
    return getOrDefault(kv());
  }

  /** Sets what the KV cache of a generation keeps. */
  default S setKv(String value) {
    return ParamSetting.set(this, kv(), value);
  }

  /** Of a generation; 0 takes the most probable token always. */
  default DoubleParam temperature() {
    return new DoubleParam(
        this,
        "temperature",
        "of a generation; 0 takes the most probable token always",
        ParamRule.notNegative("temperature"));
  }

  /** Temperature of a generation. */
  default double getTemperature() {
    return (Double) getOrDefault(temperature());
  }

  /** Sets the temperature of a generation. */
  default S setTemperature(double value) {
    return ParamSetting.set(this, temperature(), value);
  }

  /** A generation chooses among the fewest tokens that hold this probability. */
  default DoubleParam topP() {
    return new DoubleParam(
        this,
        "topP",
        "a generation chooses among the fewest tokens that hold this probability",
        ParamRule.share("topP"));
  }

  /** Probability that a generation chooses from. */
  default double getTopP() {
    return (Double) getOrDefault(topP());
  }

  /** Sets the probability that a generation chooses from. */
  default S setTopP(double value) {
    return ParamSetting.set(this, topP(), value);
  }

  /** Decides everything random: the training, and what a generation draws for each row. */
  default LongParam seed() {
    return new LongParam(this, "seed", "decides everything random");
  }

  /** Decides everything random. */
  default long getSeed() {
    return (Long) getOrDefault(seed());
  }

  /** Sets what decides everything random. */
  default S setSeed(long value) {
    return ParamSetting.set(this, seed(), value);
  }
}
