package org.sinklora.data;

import java.io.IOException;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;

/**
 * Loads a tokenizer in a fresh JVM and prints every address that was asked for on the way. Java
 * asks the proxy selector before each connection, so none escapes it.
 */
final class OfflineProbe {
  private OfflineProbe() {}

  public static void main(String[] args) throws IOException {
    ProxySelector.setDefault(
        new ProxySelector() {
          @Override
          public List<Proxy> select(URI uri) {
            System.out.println("CONNECT " + uri);
            return List.of(Proxy.NO_PROXY);
          }

          @Override
          public void connectFailed(URI uri, SocketAddress address, IOException e) {}
        });
    try (Tokenizer tokenizer = Tokenizer.load(Path.of(args[0]))) {
      System.out.println("TOKENS " + tokenizer.encode("class A {}").length);
    }
    System.out.println("OFFLINE " + System.getProperty("ai.djl.offline"));
    System.out.println("OPT_OUT " + System.getProperty("OPT_OUT_TRACKING"));
  }
}
