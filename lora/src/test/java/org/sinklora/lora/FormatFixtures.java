package org.sinklora.lora;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/**
 * The repository's own reference files, for tests of formats that name a file. Tests that run on
 * any model folder take {@link Fixture}.
 */
public final class FormatFixtures {
  private FormatFixtures() {}

  /** A file or folder such as {@code llama-mha/base}. */
  public static Path path(String relative) {
    try {
      return Path.of(FormatFixtures.class.getResource("/fixtures").toURI()).resolve(relative);
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** All values of a float tensor. */
  public static float[] floats(Path file, String name) throws IOException {
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      float[] values = new float[(int) opened.info(name).elements()];
      opened.readFloats(name, 0, values, 0, values.length);
      return values;
    }
  }

  /** All values of an integer tensor. */
  public static long[] longs(Path file, String name) throws IOException {
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      return opened.readLongs(name);
    }
  }
}
