package org.sinklora.lora;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A choice of modules by name, with PEFT's meaning: a list of names, each of which selects the
 * modules whose path is that name or ends in a dot and that name; or a regular expression for the
 * whole path; or {@code all-linear}.
 *
 * @param names the names; empty if there is an expression
 * @param expression the expression or {@code all-linear}; null if there are names
 */
public record ModuleSelector(List<String> names, String expression) {
  private static final String ALL_LINEAR = "all-linear";

  /** The linear layers of the supported architectures but the output head. */
  private static final Set<String> LINEAR_LAYERS =
      Set.of(
          "q_proj",
          "k_proj",
          "v_proj",
          "o_proj",
          "gate_proj",
          "up_proj",
          "down_proj",
          "query_key_value",
          "dense",
          "dense_h_to_4h",
          "dense_4h_to_h");

  /**
   * @throws ModelFormatException if the expression is not one
   */
  public ModuleSelector {
    names = List.copyOf(names);
    if (expression != null && !names.isEmpty()) {
      throw new IllegalArgumentException("Modules are given by names or by an expression");
    }
    if (expression != null) {
      try {
        Pattern.compile(expression);
      } catch (PatternSyntaxException e) {
        throw new ModelFormatException(
            "The expression %s for modules is not a regular expression: %s"
                .formatted(expression, e.getDescription()),
            e);
      }
    }
  }

  /** The modules of these names. */
  public static ModuleSelector named(String... names) {
    return new ModuleSelector(Arrays.asList(names), null);
  }

  /** The modules whose whole path matches. */
  public static ModuleSelector matching(String expression) {
    return new ModuleSelector(List.of(), expression);
  }

  /** Every linear layer but the output head. */
  public static ModuleSelector allLinear() {
    return matching(ALL_LINEAR);
  }

  /** No module. */
  public static ModuleSelector none() {
    return new ModuleSelector(List.of(), null);
  }

  /** Whether nothing can be selected. */
  public boolean isEmpty() {
    return names.isEmpty() && expression == null;
  }

  /** Whether a module such as {@code model.layers.0.self_attn.q_proj} is selected. */
  public boolean selects(String modulePath) {
    if (expression == null) {
      return selectsExactly(modulePath)
          || names.stream().anyMatch(name -> modulePath.endsWith("." + name));
    }
    if (isAllLinear()) {
      return LINEAR_LAYERS.contains(modulePath.substring(modulePath.lastIndexOf('.') + 1));
    }
    return Pattern.matches(expression, modulePath);
  }

  /** Whether a name is the whole path. */
  boolean selectsExactly(String modulePath) {
    return names.contains(modulePath);
  }

  private boolean isAllLinear() {
    return expression.equalsIgnoreCase(ALL_LINEAR);
  }
}
