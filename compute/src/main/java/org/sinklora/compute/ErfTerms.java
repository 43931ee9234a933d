package org.sinklora.compute;

/**
 * Coefficients of a rational approximation of the error function on [-4, 4] to 4e-7, highest power
 * first, in x²; the numerator is multiplied by x. They are those of XLA and Eigen.
 */
final class ErfTerms {
  /** Beyond it the error function is ±1 in float32. */
  static final float LIMIT = 4f;

  static final float[] NUMERATOR = {
    -2.72614225801306e-10f,
    2.77068142495902e-08f,
    -2.10102402082508e-06f,
    -5.69250639462346e-05f,
    -7.34990630326855e-04f,
    -2.95459980854025e-03f,
    -1.60960333262415e-02f
  };

  static final float[] DENOMINATOR = {
    -1.45660718464996e-05f,
    -2.13374055278905e-04f,
    -1.68282697438203e-03f,
    -7.37332916720468e-03f,
    -1.42647390514189e-02f
  };

  private ErfTerms() {}
}
