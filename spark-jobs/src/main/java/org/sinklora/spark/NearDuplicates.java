package org.sinklora.spark;

import static org.apache.spark.sql.functions.array_intersect;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.collect_list;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.posexplode;
import static org.apache.spark.sql.functions.size;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.udf;

import java.util.Arrays;
import java.util.List;
import org.apache.spark.ml.feature.MinHashLSH;
import org.apache.spark.ml.feature.MinHashLSHModel;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.SparseVector;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.expressions.Window;
import org.apache.spark.sql.expressions.WindowSpec;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import scala.collection.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Texts that are nearly equal: whose sets of word runs have a Jaccard similarity from a limit on.
 *
 * <p>MinHash values of Spark ML are taken some together, as many as the limit allows, into bands.
 * Texts that agree in a band lie in one bucket; there each is compared exactly with the {@value
 * #NEIGHBOURS} before it, the longer first. So the work grows with the number of texts even where
 * thousands share a licence header, or are nearly the same. Of a cluster the longest text stays, of
 * equally long ones the one whose name comes first.
 */
final class NearDuplicates {
  private static final int HASHES = 24;

  /** At most this share of the pairs at the limit may go unseen. */
  private static final double MISSED = 1 / 256.0;

  /** Texts of a bucket that one is compared with. */
  private static final int NEIGHBOURS = 8;

  private static final long SEED = 20_260_101;

  private final SparkSession spark;
  private final double similarity;
  private final int rows;

  /**
   * @param similarity the limit, above 0 and below 1
   */
  NearDuplicates(SparkSession spark, double similarity) {
    this.spark = spark;
    this.similarity = similarity;
    this.rows = rows(similarity);
  }

  /** Hashes of a band: the more, the fewer texts have to be compared. */
  static int rows(double similarity) {
    int rows = 1;
    for (int more = 2; more <= HASHES / 2; more++) {
      if (Math.pow(1 - Math.pow(similarity, more), HASHES / more) <= MISSED) {
        rows = more;
      }
    }
    return rows;
  }

  /** The vector of a set of runs, as Spark ML takes it. */
  static Vector vector(int[] runs) {
    double[] ones = new double[runs.length];
    Arrays.fill(ones, 1);
    return Vectors.sparse(TextShingles.SPACE, runs, ones);
  }

  /**
   * Turns the column {@code vector} into {@code runs}, the set of word runs, and {@code bands}, a
   * hash for each.
   */
  Dataset<Row> hashed(Dataset<Row> texts) {
    StructType sample = new StructType().add("vector", SQLDataTypes.VectorType());
    MinHashLSHModel model =
        new MinHashLSH()
            .setInputCol("vector")
            .setOutputCol("hashes")
            .setNumHashTables(HASHES)
            .setSeed(SEED)
            // It looks at nothing but the size of a vector.
            .fit(spark.createDataFrame(List.of(RowFactory.create(vector(new int[] {0}))), sample));
    int together = rows;
    UDF1<Seq<Vector>, long[]> bands = hashes -> bands(hashes, together);
    UDF1<Vector, int[]> runs = vector -> ((SparseVector) vector).indices();
    return model
        .transform(texts)
        .withColumn(
            "bands",
            udf(bands, DataTypes.createArrayType(DataTypes.LongType, false)).apply(col("hashes")))
        .withColumn(
            "runs",
            udf(runs, DataTypes.createArrayType(DataTypes.IntegerType, false)).apply(col("vector")))
        .drop("hashes", "vector");
  }

  private static long[] bands(Seq<Vector> hashes, int rows) {
    double[] values =
        CollectionConverters.asJava(hashes).stream().mapToDouble(hash -> hash.apply(0)).toArray();
    long[] bands = new long[values.length / rows];
    for (int band = 0; band < bands.length; band++) {
      for (int i = band * rows; i < (band + 1) * rows; i++) {
        bands[band] = (bands[band] + (long) values[i]) * 0x9E3779B97F4A7C15L;
        bands[band] ^= bands[band] >>> 31;
      }
    }
    return bands;
  }

  /**
   * @param texts with {@code chunk} and {@code position}, which name a text, {@code name}, {@code
   *     runs} and {@code bands}
   * @return {@code chunk} and {@code position} of those that are nearly equal to another
   */
  Dataset<Row> find(Dataset<Row> texts) {
    Column id = struct(col("chunk"), col("position"));
    WindowSpec before =
        Window.partitionBy("band", "bucket")
            .orderBy(col("size").desc(), col("name"))
            .rowsBetween(-NEIGHBOURS, -1);
    Dataset<Row> pairs =
        texts
            .select(
                id.as("id"),
                col("name"),
                size(col("runs")).as("size"),
                posexplode(col("bands")).as(new String[] {"band", "bucket"}))
            .withColumn("others", collect_list(struct(col("id"), col("size"))).over(before))
            .select(col("id"), col("size"), explode(col("others")).as("other"))
            // Sets of such different sizes can't be as similar.
            .filter(col("size").geq(col("other.size").multiply(similarity - 1e-9)))
            .select(col("id"), col("other.id").as("other"))
            .distinct();
    Dataset<Row> sets = texts.select(id.as("id"), col("runs"));
    Column shared = size(array_intersect(col("runs"), col("other_runs")));
    Column all = size(col("runs")).plus(size(col("other_runs"))).minus(shared);
    return pairs
        .join(sets, "id")
        .join(sets.toDF("other", "other_runs"), "other")
        .filter(shared.geq(all.multiply(lit(similarity - 1e-9))))
        .select("id.chunk", "id.position")
        .distinct();
  }
}
