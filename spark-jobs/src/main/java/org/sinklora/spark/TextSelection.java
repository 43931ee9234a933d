package org.sinklora.spark;

import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.length;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.row_number;
import static org.apache.spark.sql.functions.sha2;
import static org.apache.spark.sql.functions.when;

import java.util.Arrays;
import java.util.TreeSet;
import org.apache.spark.ml.feature.MinHashLSH;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.expressions.Window;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Which texts go into a data set. Of several that are alike the one whose name comes first stays,
 * so that the choice does not depend on how the work is cut.
 */
final class TextSelection {
  private static final StructType SHINGLES =
      new StructType()
          .add("name", DataTypes.StringType, false)
          .add("shingles", SQLDataTypes.VectorType(), false);

  /** Words that are compared together. */
  private static final int SHINGLE_WORDS = 5;

  /** Room of their hashes: more than any set of texts has, less than the prime of the library. */
  private static final int SHINGLE_SPACE = 1 << 30;

  /** A pair of similarity 0.8 is missed once in 600, one of 0.5 once in 16. */
  private static final int HASH_TABLES = 4;

  private static final long SEED = 20_260_101;

  private final SparkSession spark;
  private final PreparationSettings settings;

  TextSelection(SparkSession spark, PreparationSettings settings) {
    this.spark = spark;
    this.settings = settings;
  }

  /**
   * @param texts with {@code name} and {@code text}
   * @return the same with {@code dropped}: the reason to leave a text out, or null
   */
  Dataset<Row> select(Dataset<Row> texts) {
    Column hash = sha2(col("text").cast(DataTypes.BinaryType), 256);
    Column tooShort = length(col("text")).lt(Math.max(1, settings.minimumCharacters()));
    Dataset<Row> selected =
        texts
            .withColumn("hash", hash)
            .withColumn("dropped", when(tooShort, QualityReport.TOO_SHORT))
            .withColumn("place", place("hash", "name"))
            .withColumn("dropped", orWhen(col("place").gt(1), QualityReport.DUPLICATE))
            .withColumn("place", place("name", "hash"))
            .withColumn("dropped", orWhen(col("place").gt(1), QualityReport.SAME_NAME))
            .drop("hash", "place");
    if (settings.nearDuplicates() <= 0) {
      return selected;
    }
    try (JobDescription job = JobDescription.of("prepare: looking for near duplicates")) {
      return withoutNear(selected);
    }
  }

  /** Counts from 1 the rows that are alike in one column and still kept. */
  private static Column place(String alike, String order) {
    return row_number()
        .over(Window.partitionBy(col(alike), col("dropped").isNull()).orderBy(col(order)));
  }

  private static Column orWhen(Column condition, String reason) {
    return coalesce(col("dropped"), when(condition, lit(reason)));
  }

  private Dataset<Row> withoutNear(Dataset<Row> selected) {
    Dataset<Row> shingles =
        spark.createDataFrame(
            selected
                .filter(col("dropped").isNull())
                .select("name", "text")
                .javaRDD()
                .map(row -> RowFactory.create(row.get(0), shingles(row.getString(1)))),
            SHINGLES);
    Dataset<Row> near =
        new MinHashLSH()
            .setInputCol("shingles")
            .setOutputCol("hashes")
            .setNumHashTables(HASH_TABLES)
            .setSeed(SEED)
            .fit(shingles)
            // The library takes distances below the limit; those at it count as well.
            .approxSimilarityJoin(shingles, shingles, 1 - settings.nearDuplicates() + 1e-9)
            .filter(col("datasetA.name").lt(col("datasetB.name")))
            .select(col("datasetB.name").as("name"))
            .distinct()
            .withColumn("near", lit(true));
    return selected
        .join(near, new String[] {"name"}, "left")
        .withColumn("dropped", orWhen(col("near").isNotNull(), QualityReport.NEAR_DUPLICATE))
        .drop("near");
  }

  /** The set of word runs of a text; of a shorter text the one run that it is. */
  static Vector shingles(String text) {
    String[] words = text.strip().split("\\s+");
    int runs = Math.max(1, words.length - SHINGLE_WORDS + 1);
    TreeSet<Integer> found = new TreeSet<>();
    for (int start = 0; start < runs; start++) {
      long hash = 0;
      for (int i = start; i < Math.min(words.length, start + SHINGLE_WORDS); i++) {
        hash = (hash + words[i].hashCode()) * 0x9E3779B97F4A7C15L;
        hash ^= hash >>> 29;
      }
      found.add((int) Math.floorMod(hash, (long) SHINGLE_SPACE));
    }
    int[] indices = found.stream().mapToInt(Integer::intValue).toArray();
    double[] ones = new double[indices.length];
    Arrays.fill(ones, 1);
    return Vectors.sparse(SHINGLE_SPACE, indices, ones);
  }
}
