package org.sinklora.spark;

import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/** Sets params so that setters can be chained. */
final class ParamSetting {
  private ParamSetting() {}

  /** Gives the params back under the type that they have for their caller. */
  // A param's type is Object in Java where it is a primitive one in Scala.
  @SuppressWarnings("unchecked")
  static <S> S set(Params params, Param<?> param, Object value) {
    params.set((Param<Object>) param, value);
    return (S) params;
  }
}
