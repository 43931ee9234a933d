package org.sinklora.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReadable;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.types.StructType;

/**
 * Fine-tunes a LoRA adapter on the texts of a column, on the CPUs of Spark's executors or, with
 * {@link #setDevice setDevice("cuda")}, on GPUs. With the same settings, device and texts it is the
 * adapter of {@code sinklora prepare --held-out 0} and {@code sinklora train}, on CPUs byte for
 * byte.
 *
 * <p>CPUs of executors compute several times faster with {@code
 * spark.executor.extraJavaOptions=--add-modules=jdk.incubator.vector}.
 *
 * <p>GPUs are those that {@code spark.executor.resource.gpu.amount} gives to executors (see {@code
 * conf/spark-gpu.conf}). All of them, or {@link #partitions()}, train in one barrier stage, each on
 * its share of {@link #batchSize()}, and exchange gradients in every step and in float32. An
 * application with a master {@code local} trains on one GPU of its own process. The fitted model
 * computes on CPUs.
 */
public final class SinkLoraEstimator extends Estimator<SinkLoraModel>
    implements SinkLoraTrainingParams<SinkLoraEstimator>, DefaultParamsWritable {
  private static final long serialVersionUID = 1;
  private static final DefaultParamsReadable<SinkLoraEstimator> READABLE =
      new DefaultParamsReadable<>() {};

  private final String uid;

  /** An estimator with the defaults of {@code sinklora train}. */
  public SinkLoraEstimator() {
    this(Identifiable.randomUID("sinklora"));
  }

  /** The same under a name. */
  public SinkLoraEstimator(String uid) {
    this.uid = uid;
    ParamDefaults.ofOutput(this);
    ParamDefaults.ofTraining(this);
  }

  @Override
  public String uid() {
    return uid;
  }

  /**
   * Trains.
   *
   * @throws IllegalArgumentException if the columns are not as {@link #inputCol()} says
   * @throws RuntimeException with a message for people, if model, texts or settings do not fit
   */
  @Override
  public SinkLoraModel fit(Dataset<?> dataset) {
    transformSchema(dataset.schema());
    try {
      AdapterFiles adapter = new FrameTraining(this, dataset).run();
      return copyValues(new SinkLoraModel(uid, adapter), ParamMap.empty()).setParent(this);
    } catch (UserException e) {
      throw new UserException(ParamText.ofOptions(this, e.getMessage()), e);
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  @Override
  public String explainParam(Param<?> param) {
    return ParamText.explain(this, param);
  }

  @Override
  public StructType transformSchema(StructType schema) {
    return OutputSchema.of(schema, this);
  }

  @Override
  public SinkLoraEstimator copy(ParamMap extra) {
    return defaultCopy(extra);
  }

  /** Reads what was saved. */
  public static MLReader<SinkLoraEstimator> read() {
    return READABLE.read();
  }

  /** Reads what was saved to a Hadoop path. */
  public static SinkLoraEstimator load(String path) {
    return read().load(path);
  }
}
