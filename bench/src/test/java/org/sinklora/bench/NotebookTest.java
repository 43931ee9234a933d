package org.sinklora.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Runs every code cell of every notebook, in order, in JShell. */
class NotebookTest {
  static Stream<Path> notebooks() throws IOException {
    Path folder = Path.of(System.getProperty("sinklora.root"), "notebooks");
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.toString().endsWith(".ipynb")).sorted().toList().stream();
    }
  }

  @ParameterizedTest
  @MethodSource("notebooks")
  void everyCellRuns(Path notebook) throws IOException {
    try (JShell shell = JShell.builder().executionEngine("local").build()) {
      shell.addToClasspath(System.getProperty("java.class.path"));
      List<String> cells = codeCells(notebook);
      assertFalse(cells.isEmpty());
      for (String cell : cells) {
        run(shell, cell);
      }
    }
  }

  private static List<String> codeCells(Path notebook) throws IOException {
    List<String> cells = new ArrayList<>();
    for (JsonNode cell : new JsonMapper().readTree(notebook.toFile()).path("cells")) {
      if (cell.path("cell_type").asText().equals("code")) {
        StringBuilder source = new StringBuilder();
        cell.path("source").forEach(line -> source.append(line.asText()));
        cells.add(source.toString());
      }
    }
    return cells;
  }

  private static void run(JShell shell, String cell) {
    String rest = cell;
    while (!rest.isBlank()) {
      SourceCodeAnalysis.CompletionInfo next = shell.sourceCodeAnalysis().analyzeCompletion(rest);
      assertTrue(next.completeness().isComplete(), "incomplete: " + rest);
      for (SnippetEvent event : shell.eval(next.source())) {
        String problem = describe(shell, event);
        assertEquals(Snippet.Status.VALID, event.status(), problem);
        assertEquals(null, event.exception(), problem);
      }
      rest = next.remaining();
    }
  }

  private static String describe(JShell shell, SnippetEvent event) {
    StringBuilder text = new StringBuilder(event.snippet().source());
    shell.diagnostics(event.snippet()).forEach(d -> text.append('\n').append(d.getMessage(null)));
    return text.append('\n').append(event.exception()).toString();
  }
}
