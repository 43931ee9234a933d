package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Spark ML classes from Scala: compiled by Scala's compiler, and run. */
class ScalaCallerTest {
  private static final String SOURCE = "PipelineInScala.scala";

  @TempDir private Path folder;

  @Test
  void aPipelineInScala() throws IOException, ReflectiveOperationException {
    Path classes = compile();
    try (SparkSession spark = SparkSessions.open("test", "local[2]");
        URLClassLoader loader =
            new URLClassLoader(new URL[] {classes.toUri().toURL()}, getClass().getClassLoader())) {
      List<Row> rows = new ArrayList<>();
      for (String name : List.of("Storage", "Prepare", "Train")) {
        Path file = SampleData.SOURCES.resolve("org/sinklora/spark/" + name + ".java");
        rows.add(RowFactory.create(Files.readString(file)));
      }
      Dataset<Row> texts =
          spark.createDataFrame(rows, new StructType().add("body", DataTypes.StringType));
      double[][] perplexities =
          (double[][])
              loader
                  .loadClass("org.sinklora.caller.PipelineInScala")
                  .getMethod("run", Dataset.class, String.class)
                  .invoke(null, texts, folder.resolve("model").toString());
      assertEquals(3, perplexities[0].length);
      assertTrue(perplexities[0][0] > 1, "a perplexity: " + perplexities[0][0]);
      assertArrayEquals(perplexities[0], perplexities[1]);
    }
  }

  private Path compile() throws IOException {
    Path source = folder.resolve(SOURCE);
    try (InputStream in = getClass().getResourceAsStream(SOURCE)) {
      Files.copy(in, source);
    }
    Path classes = Files.createDirectory(folder.resolve("classes"));
    String[] command = {
      "-classpath",
      System.getProperty("java.class.path"),
      "-d",
      classes.toString(),
      source.toString()
    };
    scala.tools.nsc.Main.process(command);
    assertFalse(scala.tools.nsc.Main.reporter().hasErrors(), "see what scalac printed");
    return classes;
  }
}
