package org.sinklora.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReadable;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * A trained adapter over its base model, which adds the perplexity of each document or a
 * continuation of each text, on the CPUs of Spark's executors whatever it was trained on. They keep
 * the base weights from one task to the next.
 *
 * <p>Saved, it is a folder with the params in {@code metadata/} and a PEFT adapter in {@code
 * adapter/}, which the commands {@code eval}, {@code generate} and {@code export} take as well.
 */
public final class SinkLoraModel extends Model<SinkLoraModel>
    implements SinkLoraOutputParams<SinkLoraModel>, DefaultParamsWritable {
  private static final long serialVersionUID = 1;

  private final String uid;
  private AdapterFiles adapter;

  /** For Spark's reader alone: a model without an adapter. See {@link #load}. */
  public SinkLoraModel(String uid) {
    this(uid, null);
  }

  SinkLoraModel(String uid, AdapterFiles adapter) {
    this.uid = uid;
    this.adapter = adapter;
    ParamDefaults.ofOutput(this);
  }

  /** A model of an adapter folder, one that {@code sinklora train} wrote or any of PEFT's. */
  public static SinkLoraModel ofAdapter(String folder) {
    try {
      return new SinkLoraModel(
          Identifiable.randomUID("sinklora"), AdapterFiles.read(Storage.here(), folder));
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  @Override
  public String uid() {
    return uid;
  }

  /**
   * Adds the column, when Spark comes to compute it.
   *
   * @throws IllegalArgumentException if the columns are not as {@link #inputCol()} and {@link
   *     #outputCol()} say, or a generation leaves no room for a prompt
   */
  @Override
  public Dataset<Row> transform(Dataset<?> dataset) {
    StructType schema = transformSchema(dataset.schema());
    SparkSession spark = dataset.sparkSession();
    int column = schema.fieldIndex(getInputCol());
    boolean text = schema.apply(column).dataType().equals(DataTypes.StringType);
    try {
      OutputRows rows = new OutputRows(rowOutput(spark), column, getInputCol(), text);
      return withMetadata(
          dataset.toDF().mapPartitions(rows, Encoders.row(schema)), dataset.schema());
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  /**
   * Of what a function gives, Spark keeps names and types: a StringIndexer's labels are neither.
   */
  private static Dataset<Row> withMetadata(Dataset<Row> rows, StructType schema) {
    Dataset<Row> kept = rows;
    for (StructField field : schema.fields()) {
      if (!field.metadata().equals(Metadata.empty())) {
        Column column = OutputSchema.column(field.name()).as(field.name(), field.metadata());
        kept = kept.withColumn(field.name(), column);
      }
    }
    return kept;
  }

  private RowOutput rowOutput(SparkSession spark) throws IOException {
    AdapterFiles files = adapter();
    ModelSource base =
        files.model(isSet(model()) ? getModel() : null, SparkSessions.storage(spark));
    JavaSparkContext context = SparkSessions.context(spark);
    if (getOutput().equals(PERPLEXITY)) {
      int threads = context.getConf().getInt("spark.task.cpus", 1);
      return new RowPerplexity(base, files.broadcast(spark), files.hash(), threads);
    }
    checkRoom(base.config().contextLength());
    int threads =
        TaskThreads.isOneProcess(context)
            ? context.defaultParallelism()
            : context.getConf().getInt("spark.executor.cores", 0);
    return new RowGeneration(
        base,
        files.broadcast(spark),
        files.hash(),
        threads,
        new RowGeneration.Settings(
            getMaxNewTokens(), getKv(), getTemperature(), getTopP(), getSeed()));
  }

  private void checkRoom(int context) {
    if (getMaxNewTokens() >= context) {
      throw new IllegalArgumentException(
          "maxNewTokens is %d, which leaves no room for a prompt in the context of %d tokens; choose less"
              .formatted(getMaxNewTokens(), context));
    }
  }

  private AdapterFiles adapter() {
    if (adapter == null) {
      throw new IllegalStateException(
          "The model %s has no adapter; make one with SinkLoraEstimator.fit, or with load or ofAdapter"
              .formatted(uid));
    }
    return adapter;
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
  public SinkLoraModel copy(ParamMap extra) {
    return copyValues(new SinkLoraModel(uid, adapter), extra).setParent(parent());
  }

  @Override
  public MLWriter write() {
    MLWriter params = DefaultParamsWritable.super.write();
    AdapterFiles files = adapter();
    return new MLWriter() {
      @Override
      public void saveImpl(String path) {
        params.session(sparkSession()).saveImpl(path);
        try {
          files.write(SparkSessions.storage(sparkSession()), Storage.child(path, "adapter"));
        } catch (IOException e) {
          throw new UncheckedIOException(e.getMessage(), e);
        }
      }
    };
  }

  /** Reads what was saved. */
  public static MLReader<SinkLoraModel> read() {
    MLReader<SinkLoraModel> params = new DefaultParamsReadable<SinkLoraModel>() {}.read();
    return new MLReader<>() {
      @Override
      public SinkLoraModel load(String path) {
        SinkLoraModel model = params.session(sparkSession()).load(path);
        try {
          model.adapter =
              AdapterFiles.read(
                  SparkSessions.storage(sparkSession()), Storage.child(path, "adapter"));
          return model;
        } catch (IOException e) {
          throw new UncheckedIOException(e.getMessage(), e);
        }
      }
    };
  }

  /** Reads what was saved to a Hadoop path. */
  public static SinkLoraModel load(String path) {
    return read().load(path);
  }
}
