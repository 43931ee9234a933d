package org.sinklora.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Reads JSON lines: one object a line, its text in one field. */
public final class JsonLines {
  /** A text may be as long as a string can be; the library stops at 20 million characters. */
  private static final ObjectMapper JSON =
      new ObjectMapper(
          JsonFactory.builder()
              .streamReadConstraints(
                  StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build())
              .build());

  private JsonLines() {}

  /**
   * Every line of a file as a document, in their order; blank lines are skipped.
   *
   * @param field the field that holds the text, usually {@code text}
   * @throws IOException if a line is no JSON object or its field no text, or if there is no line
   */
  public static List<Document> read(Path file, String field) throws IOException {
    List<Document> documents = new ArrayList<>();
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      int number = 1;
      for (String line = lines.readLine(); line != null; line = lines.readLine(), number++) {
        document(line, field, file + ", line " + number).ifPresent(documents::add);
      }
    }
    if (documents.isEmpty()) {
      throw new IOException(file + " is empty; expected one JSON object a line");
    }
    return documents;
  }

  /**
   * The document of one line, or empty if the line is blank. Its name is a hash of the text, since
   * a line's number changes when a file is split.
   *
   * @param where what errors call the line
   * @throws IOException if it is no JSON object or its field no text
   */
  public static Optional<Document> document(String line, String field, String where)
      throws IOException {
    if (line.isBlank()) {
      return Optional.empty();
    }
    JsonNode object;
    try {
      object = JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IOException(
          "%s is no JSON object: %s; expected {\"%s\": \"…\"}"
              .formatted(where, e.getOriginalMessage(), field),
          e);
    }
    JsonNode text = object.path(field);
    if (!text.isTextual()) {
      throw new IOException(
          "%s has no text in the field '%s' (%s); name the field that has it"
              .formatted(where, field, object.isObject() ? fields(object) : "no object"));
    }
    return Optional.of(Document.ofContent(text.textValue()));
  }

  private static String fields(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return "its fields: " + String.join(", ", names);
  }
}
