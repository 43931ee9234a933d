package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Values of options from a YAML or properties file; what the command line says goes first. */
final class SettingsFile implements CommandLine.IDefaultValueProvider {
  private static final String OPTION = "--config";

  private final String file;
  private final Map<String, String> values;

  private SettingsFile(String file, Map<String, String> values) {
    this.file = file;
    this.values = values;
  }

  /** Lets the commands take what their command line does not say from the file it names. */
  static void register(CommandLine commandLine, String[] arguments) {
    String file = fileOf(arguments);
    if (file == null) {
      return;
    }
    commandLine.setDefaultValueProvider(
        new CommandLine.IDefaultValueProvider() {
          private SettingsFile settings;

          @Override
          public String defaultValue(ArgSpec argument) {
            if (argument.command().mixins().get("common") == null) {
              return null;
            }
            CommandLine command = argument.command().commandLine();
            if (settings == null) {
              settings = read(file, command);
            }
            settings.checkKnown(command);
            return settings.defaultValue(argument);
          }
        });
  }

  private static String fileOf(String[] arguments) {
    for (int i = 0; i < arguments.length; i++) {
      if (arguments[i].equals(OPTION) && i + 1 < arguments.length) {
        return arguments[i + 1];
      }
      if (arguments[i].startsWith(OPTION + "=")) {
        return arguments[i].substring(OPTION.length() + 1);
      }
    }
    return null;
  }

  private static SettingsFile read(String file, CommandLine command) {
    boolean isProperties = file.endsWith(".properties");
    if (!isProperties && !file.endsWith(".yaml") && !file.endsWith(".yml")) {
      throw new CommandLine.ParameterException(
          command,
          "The settings file %s ends with none of .yaml, .yml and .properties, which say what is in it; rename it"
              .formatted(file));
    }
    try {
      String text = Storage.here().readText(file);
      Map<String, String> values = isProperties ? properties(text) : yaml(file, text, command);
      return new SettingsFile(file, values);
    } catch (JsonProcessingException e) {
      throw new CommandLine.ParameterException(
          command, "%s is no YAML: %s".formatted(file, e.getOriginalMessage()), e);
    } catch (IOException e) {
      throw new CommandLine.ParameterException(
          command, "Can't read the settings file %s: %s".formatted(file, e.getMessage()), e);
    }
  }

  private static Map<String, String> properties(String text) throws IOException {
    Properties properties = new Properties();
    properties.load(new StringReader(text));
    Map<String, String> values = new TreeMap<>();
    properties.stringPropertyNames().forEach(key -> values.put(key, properties.getProperty(key)));
    return values;
  }

  private static Map<String, String> yaml(String file, String text, CommandLine command)
      throws IOException {
    JsonNode root = new YAMLMapper().readTree(text);
    Map<String, String> values = new TreeMap<>();
    if (root.isMissingNode() || root.isNull()) {
      // Empty, or comments alone.
      return values;
    }
    if (!root.isObject()) {
      throw new CommandLine.ParameterException(
          command,
          "%s holds %s, not settings; write each on a line of its own, as NAME: VALUE (NAME=VALUE is for .properties)"
              .formatted(file, root.isArray() ? "a list" : "one value"));
    }
    for (Map.Entry<String, JsonNode> entry : root.properties()) {
      JsonNode value = entry.getValue();
      if (value.isObject()) {
        throw new CommandLine.ParameterException(
            command,
            "%s: %s has settings below it; write them flat, as NAME: VALUE"
                .formatted(file, entry.getKey()));
      }
      if (value.isArray()) {
        List<String> items = new ArrayList<>();
        value.forEach(item -> items.add(item.asText()));
        values.put(entry.getKey(), String.join(",", items));
      } else if (!value.isNull()) {
        values.put(entry.getKey(), value.asText());
      }
    }
    return values;
  }

  private void checkKnown(CommandLine command) {
    for (String key : values.keySet()) {
      if (command.getCommandSpec().findOption("--" + key) == null) {
        throw new CommandLine.ParameterException(
            command,
            "%s sets '%s', but %s has no option --%s"
                .formatted(file, key, command.getCommandSpec().qualifiedName(), key));
      }
    }
  }

  @Override
  public String defaultValue(ArgSpec argument) {
    if (argument instanceof OptionSpec option) {
      for (String name : option.names()) {
        String value = values.get(name.replaceFirst("^-+", ""));
        if (value != null) {
          return value;
        }
      }
    }
    return null;
  }
}
