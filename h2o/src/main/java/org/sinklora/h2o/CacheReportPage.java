package org.sinklora.h2o;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The web page around a {@link CacheReport}. */
final class CacheReportPage {
  private static final String TEMPLATE = "cache-report.html";
  private static final String PLACE = "/*REPORT*/null";

  private CacheReportPage() {}

  static String of(String json) {
    // Inside a script element nothing but "</" could end it; in JSON "\/" is the same as "/".
    return template().replace(PLACE, json.replace("</", "<\\/"));
  }

  private static String template() {
    try (InputStream page = CacheReportPage.class.getResourceAsStream(TEMPLATE)) {
      return new String(page.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
