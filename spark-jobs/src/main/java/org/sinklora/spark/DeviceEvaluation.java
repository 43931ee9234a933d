package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.ModelPass;
import org.sinklora.lora.Perplexity;
import org.sinklora.lora.WindowLoss;

/** Evaluates windows one after the other on one device. */
final class DeviceEvaluation implements WindowEvaluation {
  private final DevicePlace place;
  private final ModelSource source;
  private final String adapter;
  private final int tail;

  /**
   * @param adapter folder; null for the base model
   * @param tail how many predictions of each window count, the last ones
   */
  DeviceEvaluation(DevicePlace place, ModelSource source, String adapter, int tail) {
    this.place = place;
    this.source = source;
    this.adapter = adapter;
    this.tail = tail;
  }

  @Override
  public Map<Integer, Perplexity> run(int[] tokens, Map<Integer, int[]> starts) throws IOException {
    CausalLm base = place.model(source);
    try (LoraAdapter loaded = AdapterFolder.load(adapter, base, place.storage());
        ModelPass pass = new ModelPass(loaded == null ? base : base.withAdapter(loaded))) {
      return Loss.summary(losses(pass, tokens, Window.all(starts)));
    }
  }

  private List<Loss> losses(ModelPass pass, int[] tokens, List<Window> windows) {
    long total = windows.stream().mapToLong(Window::length).sum();
    long done = 0;
    List<Loss> losses = new ArrayList<>(windows.size());
    try (Progress progress = new Progress("Evaluating", "tokens", total)) {
      for (Window window : windows) {
        int[] ids = Arrays.copyOfRange(tokens, window.start(), window.start() + window.length());
        losses.add(new Loss(window, WindowLoss.of(pass, ids, tail)));
        done += window.length();
        progress.update(done, "");
      }
    }
    return losses;
  }
}
