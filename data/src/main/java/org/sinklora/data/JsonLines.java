package org.sinklora.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
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

  /** Refuses what comes behind the first value. */
  private static final ObjectReader ONE =
      JSON.reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private JsonLines() {}

  /**
   * Every line of a file as a document, in their order; blank lines are skipped.
   *
   * @param field the field that holds the text, usually {@code text}
   * @throws IOException if a line is no UTF-8, not one whole JSON object, or its field no text, or
   *     if there is no line
   */
  public static List<Document> read(Path file, String field) throws IOException {
    List<Document> documents = new ArrayList<>();
    try (Utf8Lines lines = new Utf8Lines(Files.newInputStream(file), file.toString())) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        document(line, field, lines.where()).ifPresent(documents::add);
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
   * @throws IOException if it is not one whole JSON object or its field no text
   */
  public static Optional<Document> document(String line, String field, String where)
      throws IOException {
    if (line.isBlank()) {
      return Optional.empty();
    }
    JsonNode object;
    try {
      object = ONE.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IOException(
          "%s is no JSON object: %s; expected {\"%s\": \"…\"} and nothing else on the line"
              .formatted(where, e.getOriginalMessage(), field),
          e);
    }
    JsonNode text = object.path(field);
    if (text.isNull()) {
      throw new IOException(
          "%s has null in the field '%s', no text; leave such lines out, or name another field"
              .formatted(where, field));
    }
    if (!text.isTextual()) {
      throw new IOException(
          "%s has no text in the field '%s' (%s); name the field that has it"
              .formatted(where, field, object.isObject() ? fields(object) : "no object"));
    }
    return Optional.of(Document.ofContent(text.textValue()));
  }

  /**
   * The same of bytes, for who reads the lines himself.
   *
   * @param length how many of the bytes are the line
   * @throws IOException if they are not UTF-8, too
   */
  public static Optional<Document> document(byte[] line, int length, String field, String where)
      throws IOException {
    return document(Utf8Lines.decode(line, length, where), field, where);
  }

  private static String fields(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return "its fields: " + String.join(", ", names);
  }
}
