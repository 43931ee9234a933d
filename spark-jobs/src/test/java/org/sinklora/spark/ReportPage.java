package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

/** A training report, read as XML. */
final class ReportPage {
  private ReportPage() {}

  /** Fails unless the page is well formed. */
  static Document parse(Path file) throws IOException {
    try {
      return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile());
    } catch (SAXException | ParserConfigurationException e) {
      throw new AssertionError(file + " is not well formed", e);
    }
  }

  /** The value behind a name in one of the tables. */
  static String cell(Document page, String name) {
    NodeList names = page.getElementsByTagName("th");
    for (int i = 0; i < names.getLength(); i++) {
      if (names.item(i).getTextContent().equals(name)) {
        Element row = (Element) names.item(i).getParentNode();
        return row.getElementsByTagName("td").item(0).getTextContent();
      }
    }
    throw new AssertionError("no row " + name);
  }

  /** What the page's script draws. */
  static JsonNode charts(Document page) throws IOException {
    NodeList scripts = page.getElementsByTagName("script");
    String script = scripts.item(scripts.getLength() - 1).getTextContent();
    String begin = "const charts = ";
    int from = script.indexOf(begin) + begin.length();
    return new JsonMapper().readTree(script.substring(from, script.indexOf(";\n", from)));
  }
}
