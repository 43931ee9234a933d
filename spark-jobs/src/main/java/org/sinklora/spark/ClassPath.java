package org.sinklora.spark;

/** Which libraries are there: a bundle has neither Spark nor what computes on the CPU. */
final class ClassPath {
  private static final String SPARK = "org.apache.spark.sql.SparkSession";

  private ClassPath() {}

  static boolean has(String className) {
    try {
      Class.forName(className, false, ClassPath.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError e) {
      return false;
    }
  }

  static boolean hasSpark() {
    return has(SPARK);
  }

  /**
   * @param what needs Spark, the subject of a sentence
   * @throws UserException if there is no Spark
   */
  static void requireSpark(String what) {
    if (!hasSpark()) {
      throw new UserException(
          what
              + " needs Spark, which is not on the class path (a bundle holds none); run it as"
              + " ./sinklora from a clone of the repository, or with spark-submit");
    }
  }
}
