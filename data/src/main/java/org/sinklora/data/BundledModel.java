package org.sinklora.data;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Path;

/**
 * The small base model that comes inside the library, so that everything can be tried without a
 * download: a Llama of 4.7 million parameters with a context of 512 tokens, trained on Java sources
 * and public-domain English.
 */
public final class BundledModel {
  /** The model's name, also the name of its resource folder. */
  public static final String NAME = "javalm-5m";

  private static final String MANIFEST = NAME + ".files";

  private BundledModel() {}

  /**
   * A folder in Hugging Face layout that holds the model: {@code config.json}, {@code
   * generation_config.json}, {@code model.safetensors}, {@code tokenizer.json}, {@code
   * tokenizer_config.json}. Treat it as read-only.
   *
   * <p>Where the resources lie in a jar they are extracted once into {@code
   * sinklora/javalm-5m-<content hash>} below {@code $XDG_CACHE_HOME} or {@code ~/.cache}, or into
   * the folder that the system property {@code sinklora.cache} names. Any number of threads and
   * processes may do so together.
   *
   * @throws IOException if the resources are missing or damaged, or the cache can't be written
   */
  public static Path folder() throws IOException {
    BundledFiles files;
    try (InputStream manifest = open(MANIFEST)) {
      files = BundledFiles.read(NAME, manifest);
    }
    Path plain = plainFolder();
    if (plain != null) {
      files.verifySizes(plain);
      return plain;
    }
    return files.extract(CacheFolder.locate(), name -> open(NAME + "/" + name));
  }

  /** The folder of the resources if they are plain files, otherwise null. */
  private static Path plainFolder() throws IOException {
    URL resource = BundledModel.class.getResource(NAME + "/config.json");
    if (resource == null || !"file".equals(resource.getProtocol())) {
      return null;
    }
    try {
      return Path.of(resource.toURI()).getParent();
    } catch (URISyntaxException e) {
      throw new IOException("The bundled model has an address that is no path: " + resource, e);
    }
  }

  private static InputStream open(String resource) throws IOException {
    URL url = BundledModel.class.getResource(resource);
    if (url == null) {
      throw new FileNotFoundException(
          "The bundled model's resource org/sinklora/data/"
              + resource
              + " is not on the class path; was the sinklora-data jar repackaged without its"
              + " resources?");
    }
    URLConnection connection = url.openConnection();
    // A cached connection shares its jar with other class loaders, and ends when one is closed.
    connection.setUseCaches(false);
    return connection.getInputStream();
  }
}
