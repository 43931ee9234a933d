package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.sinklora.lora.LoraTrainer;

/**
 * The checkpoints of a run: folders {@code step-N} that appear complete or not at all. Where a
 * storage, a crash or a full disk breaks that promise, the manifest shows it, and the checkpoint is
 * left out.
 */
final class Checkpoints {
  private static final String RUN_FILE = "sinklora_run.json";
  private static final String PREFIX = "step-";

  /** Other folders beside them are somebody else's. */
  private static final Pattern NAME = Pattern.compile(PREFIX + "\\d{8,}");

  private static final JsonMapper JSON = new JsonMapper();

  private final Storage storage;
  private final String folder;
  private final RunIdentity run;
  private final ComputedOn computedOn;
  private final int keep;

  /** Names of checkpoints that are not whole; they go once there is another. */
  private final List<String> torn = new ArrayList<>();

  /**
   * @param folder that holds the checkpoints
   * @param run what makes this run the one it is
   * @param computedOn what this process, or its executors, compute on
   * @param keep how many checkpoints stay, the newest
   */
  Checkpoints(Storage storage, String folder, RunIdentity run, ComputedOn computedOn, int keep) {
    this.storage = storage;
    this.folder = folder;
    this.run = run;
    this.computedOn = computedOn;
    this.keep = keep;
  }

  /**
   * @param steps may have a state besides the trainer's
   */
  void save(LoraTrainer trainer, TrainingSteps steps) throws IOException {
    String name = PREFIX + String.format(Locale.ROOT, "%08d", trainer.stepsDone());
    try (LocalFolder local = new LocalFolder()) {
      Path state = local.path().resolve("state");
      trainer.save(state);
      steps.save(state);
      Files.writeString(state.resolve(RUN_FILE), run.toJson().toPrettyString());
      CheckpointManifest.write(state, computedOn);
      storage.upload(state, Storage.child(folder, name), CheckpointManifest.FILE);
    }
    torn.remove(name);
    for (String old : torn) {
      storage.delete(Storage.child(folder, old));
    }
    torn.clear();
    storage.deleteHalfWritten(folder);
    List<String> all = all();
    for (String old : all.subList(0, Math.max(0, all.size() - keep))) {
      storage.delete(old);
    }
  }

  /**
   * Continues from the newest checkpoint that is whole, if there is one. What is not is told on
   * standard error and left out.
   *
   * @return what there is to say of it, in lines; empty if there is none
   * @throws UserException if it is one of another run
   * @throws IOException if there are checkpoints that can't be read, and no whole one beside them:
   *     to begin anew would throw away what may be read later
   */
  Optional<String> restore(LoraTrainer trainer, TrainingSteps steps) throws IOException {
    storage.recoverAll(folder);
    List<String> all = all();
    IOException unreadable = null;
    for (int i = all.size() - 1; i >= 0; i--) {
      String checkpoint = all.get(i);
      Path local = null;
      Optional<String> problem;
      try {
        local = storage.local(checkpoint);
        problem = CheckpointManifest.problem(local);
      } catch (IOException e) {
        problem = Optional.of("it can't be read (%s)".formatted(FailureReport.describe(e)));
        unreadable = e;
      }
      if (problem.isEmpty()) {
        resume(trainer, checkpoint, local);
        checkRound(checkpoint, trainer, steps.stepsOfRound());
        steps.resume(local);
        String name = Storage.name(checkpoint);
        return Optional.of("Continuing from checkpoint " + name + otherDevice(name, local));
      }
      System.err.printf("Skipping checkpoint %s: %s%n", Storage.name(checkpoint), problem.get());
      torn.add(Storage.name(checkpoint));
    }
    if (unreadable != null) {
      throw unreadable;
    }
    return Optional.empty();
  }

  /** People do move to another machine: it is not refused, but the result is another one. */
  private String otherDevice(String name, Path local) throws IOException {
    return CheckpointManifest.computedOn(local)
        .filter(before -> !before.isAs(computedOn))
        .map(
            before ->
                "%nCheckpoint %s was computed on %s; this run goes on with %s: the result is not byte for byte that of an undisturbed run%s"
                    .formatted(name, before, computedOn, wayOut(before)))
        .orElse("");
  }

  private String wayOut(ComputedOn before) {
    boolean cut =
        before.device().equals(computedOn.device())
            && before.precision().equals(computedOn.precision());
    return cut ? "; with %s it would be".formatted(before.options()) : "";
  }

  private void resume(LoraTrainer trainer, String checkpoint, Path local) throws IOException {
    Path runFile = local.resolve(RUN_FILE);
    if (!Files.exists(runFile)) {
      throw new UserException(
          "%s has no %s: not a checkpoint of sinklora train".formatted(checkpoint, RUN_FILE));
    }
    run.check(checkpoint, JSON.readTree(runFile.toFile()));
    trainer.resume(local);
  }

  /** Of a round that the end of a run cut short the rest can't be done later. */
  private static void checkRound(String checkpoint, LoraTrainer trainer, int stepsOfRound) {
    long done = trainer.stepsDone();
    if (done < trainer.config().steps() && done % stepsOfRound != 0) {
      throw new UserException(
          "%s is the end of a run of %d steps, not a multiple of --sync-every %d: its last round was cut short, and more --steps would not give what an undisturbed run gives; start anew with --overwrite or another --output"
              .formatted(checkpoint, done, stepsOfRound));
    }
  }

  private List<String> all() throws IOException {
    return storage.folders(folder).stream()
        .filter(path -> NAME.matcher(Storage.name(path)).matches())
        .toList();
  }
}
