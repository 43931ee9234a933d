package org.sinklora.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function0;
import scala.Tuple2;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag$;

/** Asks every executor of an application something. */
final class EveryExecutor {
  /** How often one is asked that other work keeps from answering. */
  private static final int ATTEMPTS = 10;

  private EveryExecutor() {}

  /**
   * Asks, by one task for each executor.
   *
   * @return the answers, by the name that Spark gives an executor
   */
  static <T extends Serializable> Map<String, T> ask(
      JavaSparkContext spark, Function0<T> question) {
    Map<String, T> answers = new TreeMap<>();
    Set<String> open = new TreeSet<>(ExecutorWait.of(spark).ids());
    for (int attempt = 0; attempt < ATTEMPTS && !open.isEmpty(); attempt++) {
      List<Tuple2<String, T>> told =
          tasks(spark, open)
              .map(id -> new Tuple2<>(SparkEnv.get().executorId(), question.call()))
              .collect();
      told.forEach(answer -> answers.put(answer._1(), answer._2()));
      // Spark does a task elsewhere if its executor is busy or gone.
      open.retainAll(RegisteredExecutors.now(spark).ids());
      open.removeAll(answers.keySet());
    }
    if (!open.isEmpty()) {
      System.err.printf(
          "The executors %s are busy and were not looked at before the start%n",
          String.join(", ", open));
    }
    return answers;
  }

  /** A task for each of these executors. */
  private static JavaRDD<String> tasks(JavaSparkContext spark, Collection<String> ids) {
    List<Tuple2<String, Seq<String>>> placed = new ArrayList<>();
    for (String id : ids) {
      // As org.apache.spark.scheduler.TaskLocation reads it; only the executor's name matters.
      List<String> location = List.of("executor_any_" + id);
      placed.add(new Tuple2<>(id, CollectionConverters.asScala(location).toSeq()));
    }
    return spark
        .sc()
        .makeRDD(
            CollectionConverters.asScala(placed).toSeq(),
            ClassTag$.MODULE$.<String>apply(String.class))
        .toJavaRDD();
  }
}
