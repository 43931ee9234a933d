package org.sinklora.data;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.exptest.IsIterableExpTest;
import com.hubspot.jinjava.lib.exptest.IsSequenceExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import jinjava.javax.el.CompositeELResolver;

/**
 * A Jinja template, set up as Transformers sets up Jinja. What it is given is data, whatever stands
 * in it: no text is taken for a template. Safe for use by several threads.
 */
final class JinjaTemplate {
  private final JinjaSource source;
  private final Jinjava plain;
  private final Jinjava marking;

  /**
   * @throws IOException if the template uses what there is not
   */
  JinjaTemplate(String template) throws IOException {
    this.source = new JinjaSource(template);
    this.plain = jinja(false);
    this.marking = jinja(true);
    checkFilters();
  }

  /**
   * @param marks whether the output has the marks of {@link MarkedText}
   */
  private static Jinjava jinja(boolean marks) {
    CompositeELResolver resolver = new CompositeELResolver();
    resolver.add(new PythonStrings());
    resolver.add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
    Jinjava jinja =
        new Jinjava(
            JinjavaConfig.newBuilder()
                .withMaxOutputSize(1L << 30)
                .withMaxStringLength(1L << 30)
                .withRangeLimit(1 << 20)
                .withNestedInterpretationEnabled(false)
                .withElResolver(resolver)
                .withLegacyOverrides(
                    LegacyOverrides.newBuilder()
                        .withEvaluateMapKeys(true)
                        .withIterateOverMapKeys(true)
                        .withKeepNullableLoopValues(true)
                        .withParseWhitespaceControlStrictly(true)
                        .build())
                .build());
    Context context = jinja.getGlobalContext();
    context.registerFunction(
        new ELFunctionDefinition("", "raise_exception", ChatTemplate.class, "raise", String.class));
    context.registerFilter(new JsonFilter());
    context.registerFilter(new ReversedFilter());
    context.registerFilter(new ItemsFilter());
    context.registerExpTest(new NoneField.Test());
    context.registerExpTest(new IterableTest());
    context.registerExpTest(new SequenceTest());
    context.registerTag(new GenerationTag(marks));
    context.registerTag(new LoopTag(marks));
    return jinja;
  }

  /** {@code [::-1]}. */
  private static final class ReversedFilter implements Filter {
    @Override
    public String getName() {
      return JinjaSource.REVERSED;
    }

    @Override
    public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
      if (value instanceof Collection<?> items) {
        List<Object> reversed = new ArrayList<>(items);
        Collections.reverse(reversed);
        return reversed;
      }
      if (value instanceof String text) {
        return new StringBuilder(text).reverse().toString();
      }
      throw new IllegalArgumentException("[::-1] is for lists and texts");
    }
  }

  /** {@code is iterable}: a text is. */
  private static final class IterableTest extends IsIterableExpTest {
    @Override
    public boolean evaluate(Object value, JinjavaInterpreter interpreter, Object... arguments) {
      return value instanceof String || super.evaluate(value, interpreter, arguments);
    }
  }

  /** {@code is sequence}: a text is. */
  private static final class SequenceTest extends IsSequenceExpTest {
    @Override
    public boolean evaluate(Object value, JinjavaInterpreter interpreter, Object... arguments) {
      return value instanceof String || super.evaluate(value, interpreter, arguments);
    }
  }

  /** The pairs of a map. */
  private static final class ItemsFilter implements Filter {
    @Override
    public String getName() {
      return "items";
    }

    @Override
    public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
      if (value instanceof Map<?, ?> map) {
        return new ArrayList<>(map.entrySet());
      }
      throw new IllegalArgumentException("the filter 'items' is for maps");
    }
  }

  /** The library takes an unknown filter for one that returns nothing, without a word. */
  private void checkFilters() throws IOException {
    for (String filter : source.filters()) {
      if (plain.getGlobalContext().getFilter(filter) == null) {
        throw new IOException(
            "The chat template uses the filter '%s', which is not supported; choose another with --chat-template"
                .formatted(filter));
      }
    }
  }

  /** Whether it marks answers itself. */
  boolean marksAnswers() {
    return source.marksAnswers();
  }

  /**
   * @throws IOException if the template is malformed, or refuses what it is given
   */
  String render(Map<String, Object> variables) throws IOException {
    return render(plain, variables);
  }

  /**
   * As {@link #render}, with where turns and answers are.
   *
   * @return null if the marks didn't come through
   */
  MarkedText renderMarked(Map<String, Object> variables) throws IOException {
    return MarkedText.of(render(marking, variables));
  }

  private String render(Jinjava jinja, Map<String, Object> variables) throws IOException {
    RenderResult result = jinja.renderForResult(source.text(), new HashMap<>(variables));
    // Also what the library only warns of: it goes on with an empty text.
    for (TemplateError error : result.getErrors()) {
      String line =
          error.getLineno() < 1
              ? ""
              : " in its line %d".formatted(error.getLineno() + source.skippedLines());
      throw new IOException(
          "The chat template fails%s: %s; choose another with --chat-template"
              .formatted(line, cause(error)));
    }
    return result.getOutput();
  }

  /** What the template itself said, if it did: the library wraps it. */
  private static String cause(TemplateError error) {
    for (Throwable e = error.getException(); e != null; e = e.getCause()) {
      if (e instanceof IllegalArgumentException && e.getCause() == null) {
        return e.getMessage();
      }
    }
    return error.getMessage();
  }
}
