package org.sinklora.spark;

import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** The columns that {@link SinkLoraOutputParams} name. */
final class OutputSchema {
  private OutputSchema() {}

  /**
   * The schema with the column that is added.
   *
   * @throws IllegalArgumentException if a column is missing, in the way, or of another type
   */
  static StructType of(StructType schema, SinkLoraOutputParams<?> params) {
    checkInput(schema, params.getInputCol());
    String output = params.getOutputCol();
    if (List.of(schema.fieldNames()).contains(output)) {
      throw new IllegalArgumentException(
          "There is a column '%s' already; choose another outputCol".formatted(output));
    }
    return schema.add(
        output,
        params.getOutput().equals(SinkLoraOutputParams.GENERATION)
            ? DataTypes.StringType
            : DataTypes.DoubleType,
        true);
  }

  private static void checkInput(StructType schema, String input) {
    List<String> columns = List.of(schema.fieldNames());
    if (!columns.contains(input)) {
      throw new IllegalArgumentException(
          "There is no column '%s', only %s; name the one with the texts with inputCol"
              .formatted(input, columns));
    }
    DataType type = schema.apply(input).dataType();
    if (!type.equals(DataTypes.StringType) && !isIds(type)) {
      throw new IllegalArgumentException(
          "The column '%s' is %s; inputCol takes texts (string) or token ids (array<int>)"
              .formatted(input, type.catalogString()));
    }
  }

  /** The column of just this name, which may have dots in it. */
  static Column column(String name) {
    return functions.col("`" + name.replace("`", "``") + "`");
  }

  /** Whether a column of this type holds token ids. */
  static boolean isIds(DataType type) {
    return type instanceof ArrayType array
        && (array.elementType().equals(DataTypes.IntegerType)
            || array.elementType().equals(DataTypes.LongType));
  }
}
