package org.sinklora.data;

import java.nio.file.Path;
import java.util.function.UnaryOperator;

/** Where files that can be made again are kept. */
public final class CacheFolder {
  /** System property that overrides the place. */
  static final String PROPERTY = "sinklora.cache";

  private CacheFolder() {}

  /**
   * The folder that the system property {@code sinklora.cache} names, else {@code
   * $XDG_CACHE_HOME/sinklora}, else {@code ~/.cache/sinklora}; it need not exist.
   */
  public static Path locate() {
    return locate(System::getProperty, System::getenv);
  }

  static Path locate(UnaryOperator<String> property, UnaryOperator<String> environment) {
    String chosen = property.apply(PROPERTY);
    if (chosen != null && !chosen.isBlank()) {
      return Path.of(chosen).toAbsolutePath();
    }
    String xdg = environment.apply("XDG_CACHE_HOME");
    // The XDG specification asks to ignore a relative value.
    if (xdg != null && Path.of(xdg).isAbsolute()) {
      return Path.of(xdg, "sinklora");
    }
    return Path.of(property.apply("user.home"), ".cache", "sinklora").toAbsolutePath();
  }
}
