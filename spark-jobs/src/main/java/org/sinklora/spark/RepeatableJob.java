package org.sinklora.spark;

import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A Spark job that is done again where a broadcast was lost on the way. Spark computes lost tasks
 * again by itself, but gives a job up once nobody has the values that its tasks begin with.
 */
final class RepeatableJob {
  /** How often a job is tried. */
  private static final int ATTEMPTS = 3;

  private static final Pattern LOST =
      Pattern.compile("(?:Failed to get|corrupt remote block) broadcast_\\w+");

  private RepeatableJob() {}

  /**
   * @param job which makes its broadcasts itself, and leaves no trace if it fails
   */
  static <T> T run(Supplier<T> job) {
    for (int attempt = 1; ; attempt++) {
      try {
        return job.get();
      } catch (Exception e) {
        String lost = lostBroadcast(e);
        if (lost == null || attempt == ATTEMPTS) {
          throw e;
        }
        System.err.printf("A broadcast was lost (%s): the job is done again%n", lost);
      }
    }
  }

  /** What was lost; null if the failure is another. */
  private static String lostBroadcast(Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      Matcher told = LOST.matcher(String.valueOf(cause.getMessage()));
      if (told.find()) {
        return told.group();
      }
    }
    return null;
  }
}
