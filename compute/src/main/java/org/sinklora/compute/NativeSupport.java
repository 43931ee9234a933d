package org.sinklora.compute;

import java.nio.file.Path;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.openblas.global.openblas;

/** What there is to tell about the native side of this process. */
public final class NativeSupport {
  private NativeSupport() {}

  /** Memory that the process occupies, Java heap and arrays outside it, in bytes. */
  public static long processBytes() {
    return Pointer.physicalBytes();
  }

  /** Most memory that arrays outside the Java heap may take, in bytes; 0 for no limit. */
  public static long largestArrayBytes() {
    return Pointer.maxBytes();
  }

  /** Most memory that the process may occupy by these arrays' library, in bytes; 0 for no limit. */
  public static long largestProcessBytes() {
    return Pointer.maxPhysicalBytes();
  }

  /**
   * Loads the library of the matrix products.
   *
   * @return its file name
   * @throws LinkageError if it can't be loaded on this platform
   */
  public static String loadBlas() {
    return String.valueOf(Path.of(Loader.load(openblas.class)).getFileName());
  }
}
