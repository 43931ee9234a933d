package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.sinklora.compute.Device;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** The workers of local rounds one after the other on one device, whose trainer each borrows. */
final class DeviceWorkers implements LocalRounds.Workers {
  private final LocalSteps steps;
  private final TrainingSteps device;
  private final int workers;

  /**
   * @param adapter as it is at the beginning of the run
   * @param rounds of the run
   * @param sequencesPerPass how many sequences go through the model together
   */
  DeviceWorkers(
      LoraTrainer trainer,
      LoraAdapter adapter,
      Device device,
      TrainSettings.Rounds rounds,
      int sequencesPerPass) {
    this.workers = rounds.workers();
    this.steps =
        new LocalSteps(trainer, adapter, rounds.type(), adapter.values(), sequencesPerPass);
    this.device = new DeviceSteps(trainer, device, sequencesPerPass);
  }

  @Override
  public RoundSum run(LocalState start, List<List<List<Sequence>>> shares) {
    RoundSum sum = new RoundSum();
    for (int worker = 0; worker < shares.size(); worker++) {
      sum.merge(steps.run(worker, start, shares.get(worker)));
    }
    return sum;
  }

  @Override
  public ComputedOn computedOn() {
    return device.computedOn().ranks(workers);
  }

  @Override
  public int parallel() {
    return 0;
  }

  @Override
  public void describe(ObjectNode result) {
    device.describe(result);
  }
}
