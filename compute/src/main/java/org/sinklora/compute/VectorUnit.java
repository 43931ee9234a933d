package org.sinklora.compute;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether the JVM was started with the Vector API, an incubator module that has to be asked for.
 */
public final class VectorUnit {
  private static final String MODULE = "jdk.incubator.vector";
  private static final boolean PRESENT = detect();

  private VectorUnit() {}

  /**
   * Whether kernels may use the Vector API. Without it the plain kernels run, several times slower;
   * a warning says so once.
   */
  public static boolean isPresent() {
    return PRESENT;
  }

  /** What a person would call the kernels of this process, e.g. {@code 512-bit vectors}. */
  public static String describe() {
    return PRESENT ? VectorMath.SPECIES.vectorBitSize() + "-bit vectors" : "plain kernels";
  }

  private static boolean detect() {
    boolean present =
        ModuleLayer.boot().findModule(MODULE).isPresent()
            && !Boolean.getBoolean("sinklora.plainKernels");
    if (!present) {
      Logger log = LoggerFactory.getLogger(VectorUnit.class);
      log.warn(
          "The Vector API is off: plain kernels run, several times slower."
              + " Start java with --add-modules={} to use it.",
          MODULE);
    }
    return present;
  }
}
