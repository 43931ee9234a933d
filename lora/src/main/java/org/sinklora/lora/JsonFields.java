package org.sinklora.lora;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * The fields of a JSON object of a configuration file, with types and ranges checked. An absent
 * field and a null are the same, as they are to Hugging Face's classes.
 *
 * @param source what errors call the object: the file, and the path inside it
 * @param json the object
 */
record JsonFields(String source, ObjectNode json) {
  /** {@code Infinity} and {@code NaN} are allowed, since Python writes them. */
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** Reads a file that holds one JSON object. */
  static JsonFields read(Path file) {
    JsonNode root;
    try {
      root = JSON.readTree(Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      throw new ModelFormatException(file + ": there is no such file", e);
    } catch (JsonProcessingException e) {
      throw new ModelFormatException(
          "%s: not valid JSON: %s".formatted(file, e.getOriginalMessage()), e);
    } catch (IOException e) {
      throw new ModelFormatException("%s: cannot be read: %s".formatted(file, e), e);
    }
    if (!root.isObject()) {
      throw new ModelFormatException(file + ": the file does not hold a JSON object");
    }
    return new JsonFields(file.toString(), (ObjectNode) root);
  }

  boolean has(String field) {
    return json.hasNonNull(field);
  }

  /** The value, or a missing node if it is absent or null. */
  JsonNode get(String field) {
    return has(field) ? json.get(field) : json.path("");
  }

  /** A positive integer; {@code fallback} if absent. */
  int positiveInt(String field, int fallback) {
    if (!has(field)) {
      return fallback;
    }
    JsonNode value = json.get(field);
    if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 1) {
      throw bad(field, "an integer from 1 to " + Integer.MAX_VALUE);
    }
    return value.intValue();
  }

  /** A number above zero; {@code fallback} if absent. */
  double positive(String field, double fallback) {
    double value = number(field, fallback);
    if (!(value > 0) || Double.isInfinite(value)) {
      throw bad(field, "a number above 0");
    }
    return value;
  }

  /** A probability below one; {@code fallback} if absent. */
  double dropout(String field, double fallback) {
    double value = number(field, fallback);
    if (!(value >= 0 && value < 1)) {
      throw bad(field, "a number from 0 up to, but not including, 1");
    }
    return value;
  }

  /** A finite number; {@code fallback} if absent. */
  double number(String field, double fallback) {
    if (!has(field)) {
      return fallback;
    }
    JsonNode value = json.get(field);
    if (!value.isNumber() || !Double.isFinite(value.doubleValue())) {
      throw bad(field, "a finite number");
    }
    return value.doubleValue();
  }

  /** A boolean; {@code fallback} if absent. */
  boolean flag(String field, boolean fallback) {
    if (!has(field)) {
      return fallback;
    }
    if (!json.get(field).isBoolean()) {
      throw bad(field, "true or false");
    }
    return json.get(field).booleanValue();
  }

  /** A string; {@code fallback} if absent. */
  String text(String field, String fallback) {
    if (!has(field)) {
      return fallback;
    }
    if (!json.get(field).isTextual()) {
      throw bad(field, "a string");
    }
    return json.get(field).textValue();
  }

  /** A list of strings; empty if absent. */
  List<String> texts(String field) {
    List<String> values = new ArrayList<>();
    if (has(field)) {
      if (!json.get(field).isArray()) {
        throw bad(field, "a list of strings");
      }
      for (JsonNode value : json.get(field)) {
        if (!value.isTextual()) {
          throw bad(field, "a list of strings");
        }
        values.add(value.textValue());
      }
    }
    return values;
  }

  /** An integer from 0, or a list of them; empty if absent. */
  List<Integer> intOrInts(String field) {
    List<Integer> values = new ArrayList<>();
    if (has(field)) {
      JsonNode node = json.get(field);
      Iterable<JsonNode> nodes = node.isArray() ? node : List.of(node);
      for (JsonNode value : nodes) {
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 0) {
          throw bad(field, "an integer from 0, or a list of them");
        }
        values.add(value.intValue());
      }
    }
    return values;
  }

  /** A token id; {@code fallback} if the field is absent, none if it is null. */
  OptionalInt tokenId(String field, int fallback) {
    if (!json.has(field)) {
      return OptionalInt.of(fallback);
    }
    List<Integer> ids = intOrInts(field);
    if (ids.size() > 1) {
      throw bad(field, "one token id");
    }
    return ids.isEmpty() ? OptionalInt.empty() : OptionalInt.of(ids.get(0));
  }

  /** Token ids; {@code fallback} if the field is absent, none if it is null. */
  List<Integer> tokenIds(String field, int fallback) {
    return json.has(field) ? List.copyOf(intOrInts(field)) : List.of(fallback);
  }

  /** An object inside this one; empty if absent. */
  JsonFields object(String field) {
    if (!has(field)) {
      return new JsonFields(source + ": " + field, json.objectNode());
    }
    if (!json.get(field).isObject()) {
      throw bad(field, "an object");
    }
    return new JsonFields(source + ": " + field, (ObjectNode) json.get(field));
  }

  /** The exception for a field whose value is not {@code expected}. */
  ModelFormatException bad(String field, String expected) {
    return new ModelFormatException(
        "%s: %s is %s; expected %s".formatted(source, field, shorten(field), expected));
  }

  /** The exception for a field that asks for what is not implemented. */
  ModelFormatException unsupported(String field, String instead) {
    return new ModelFormatException(
        "%s: %s is %s, which is not supported and would change the result; %s"
            .formatted(source, field, shorten(field), instead));
  }

  /** The same exception, with the source in front unless it is there already. */
  ModelFormatException located(ModelFormatException e) {
    return e.getMessage().startsWith(source)
        ? e
        : new ModelFormatException(source + ": " + e.getMessage(), e);
  }

  private String shorten(String field) {
    String text = json.has(field) ? json.get(field).toString() : "absent";
    return text.length() <= 120 ? text : text.substring(0, 120) + "…";
  }
}
