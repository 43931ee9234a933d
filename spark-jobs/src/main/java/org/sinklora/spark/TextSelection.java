package org.sinklora.spark;

import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.row_number;
import static org.apache.spark.sql.functions.when;

import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.expressions.Window;

/**
 * Which texts go into a data set. Of several that are equal the one whose name comes first stays,
 * so that the choice does not depend on how the work is cut.
 */
final class TextSelection {
  private final SparkSession spark;
  private final PreparationSettings settings;

  TextSelection(SparkSession spark, PreparationSettings settings) {
    this.spark = spark;
    this.settings = settings;
  }

  /**
   * @param texts rows of a {@link TextSurvey}
   * @return {@code chunk}, {@code position}, {@code characters}, and {@code dropped}: the reason to
   *     leave a text out, or null
   */
  Dataset<Row> select(Dataset<Row> texts) {
    Column tooShort = col("characters").lt(Math.max(1, settings.minimumCharacters()));
    Dataset<Row> selected =
        texts
            .select("chunk", "position", "name", "hash", "characters")
            .withColumn("dropped", when(tooShort, QualityReport.TOO_SHORT))
            .withColumn("place", place("hash", "name"))
            .withColumn("dropped", orWhen(col("place").gt(1), QualityReport.DUPLICATE))
            .withColumn("place", place("name", "hash"))
            .withColumn("dropped", orWhen(col("place").gt(1), QualityReport.SAME_NAME));
    if (settings.nearDuplicates() > 0) {
      String[] id = {"chunk", "position"};
      Dataset<Row> kept =
          texts
              .select("chunk", "position", "name", "runs", "bands")
              .join(selected.filter(col("dropped").isNull()).select("chunk", "position"), id);
      Dataset<Row> near =
          new NearDuplicates(spark, settings.nearDuplicates())
              .find(kept)
              .withColumn("near", lit(true));
      selected =
          selected
              .join(near, id, "left")
              .withColumn("dropped", orWhen(col("near").isNotNull(), QualityReport.NEAR_DUPLICATE));
    }
    return selected.select("chunk", "position", "characters", "dropped");
  }

  /** Counts from 1 the rows that are alike in one column and still kept. */
  private static Column place(String alike, String order) {
    return row_number()
        .over(
            Window.partitionBy(col(alike), col("dropped").isNull())
                .orderBy(col(order), col("chunk"), col("position")));
  }

  private static Column orWhen(Column condition, String reason) {
    return coalesce(col("dropped"), when(condition, lit(reason)));
  }
}
