package org.sinklora.spark;

import java.io.FileNotFoundException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import picocli.CommandLine;

/** Reports a failure in one line; with {@code --verbose} with its stack trace. */
final class FailureReport implements CommandLine.IExecutionExceptionHandler {
  private static final String LARGE_STEPS =
      "give Java more with -Xmx, or choose a shorter context or --gradient-checkpointing";

  private static final String LARGE_TEXTS =
      "give Java more, for example SINKLORA_JAVA_OPTS=-Xmx16g, or make smaller documents of large texts: split the files, or write JSON lines";

  @Override
  public int handleExecutionException(
      Exception e, CommandLine commandLine, CommandLine.ParseResult parsed) {
    PrintWriter err = commandLine.getErr();
    boolean prepares = commandLine.getCommandName().equals("prepare");
    err.println("sinklora: " + oneLine(describe(e, prepares ? LARGE_TEXTS : LARGE_STEPS)));
    boolean verbose =
        commandLine.getCommandSpec().mixins().containsKey("common")
            && ((CommonOptions) commandLine.getCommandSpec().mixins().get("common").userObject())
                .verbose();
    if (verbose) {
      e.printStackTrace(err);
    }
    return CommandLine.ExitCode.SOFTWARE;
  }

  /** What went wrong, in the words of whoever noticed it. */
  static String describe(Throwable failure) {
    return describe(failure, LARGE_STEPS);
  }

  /**
   * @param wayOut where memory is short
   */
  private static String describe(Throwable failure, String wayOut) {
    Throwable cause = cause(failure);
    String message = cause.getMessage();
    if (cause instanceof OutOfMemoryError) {
      return "Out of memory (%s); %s".formatted(message, wayOut);
    }
    if (isSparks(cause)) {
      return taskFailure(message);
    }
    if (message != null && isDiskFull(message)) {
      return message
          + ": the disk is full or a limit is reached; free some space and go on with --resume";
    }
    if (cause instanceof NoSuchFileException || cause instanceof FileNotFoundException) {
      return message + (message != null && message.contains(" ") ? "" : " does not exist");
    }
    if (cause instanceof FileAlreadyExistsException) {
      return message + " (it exists already)";
    }
    boolean said = cause instanceof UserException || cause instanceof IllegalArgumentException;
    if (message == null || !(said || message.contains(" "))) {
      return cause.getClass().getSimpleName()
          + (message == null ? "" : ": " + message)
          + "; --verbose shows where";
    }
    return message;
  }

  /** Told by name: where there is no Spark, its classes can't be asked for. */
  private static boolean isSparks(Throwable failure) {
    for (Class<?> type = failure.getClass(); type != null; type = type.getSuperclass()) {
      if (type.getName().equals("org.apache.spark.SparkException")) {
        return true;
      }
    }
    return false;
  }

  private static boolean isDiskFull(String message) {
    String lower = message.toLowerCase(Locale.ROOT);
    return lower.contains("no space left")
        || lower.contains("file too large")
        || lower.contains("quota exceeded");
  }

  private static Throwable cause(Throwable failure) {
    Throwable cause = failure;
    while (cause.getCause() != null
        && (isSparks(cause)
            || cause instanceof ExecutionException
            || cause instanceof UncheckedIOException
            || cause.getClass().getName().equals("java.lang.RuntimeException"))) {
      cause = cause.getCause();
    }
    return cause;
  }

  /** A failure in a task reaches the driver as the text of a stack trace in a message. */
  private static String taskFailure(String message) {
    String[] lines = message == null ? new String[] {""} : message.split("\n");
    String told = lines[0];
    int at = told.lastIndexOf("): ");
    String inner = at < 0 ? told : told.substring(at + 3);
    for (int i = 0; i < lines.length; i++) {
      if (lines[i].startsWith("Caused by: ")) {
        inner = lines[i].substring("Caused by: ".length());
      } else if (lines[i].contains("because barrier task") && i + 1 < lines.length) {
        inner = lines[i + 1];
      }
    }
    return inner.replaceFirst("^([a-z]+\\.)+[A-Za-z$]+(Exception|Error): ", "");
  }

  static String oneLine(String message) {
    return String.valueOf(message).strip().replaceAll("\\s*\\R\\s*", " ");
  }
}
