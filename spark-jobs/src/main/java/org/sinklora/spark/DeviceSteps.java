package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.sinklora.compute.Device;
import org.sinklora.compute.NativeSupport;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.StepResult;

/** Training steps on one device. */
final class DeviceSteps implements TrainingSteps {
  private final LoraTrainer trainer;
  private final Device device;
  private final int sequencesPerPass;

  /**
   * @param sequencesPerPass how many sequences go through the model together; the loss and its
   *     gradient are those of all of them, whatever it is
   */
  DeviceSteps(LoraTrainer trainer, Device device, int sequencesPerPass) {
    this.trainer = trainer;
    this.device = device;
    this.sequencesPerPass = sequencesPerPass;
  }

  @Override
  public StepResult step(List<Sequence> sequences) {
    return trainer.step(Sequence.batches(sequences, sequencesPerPass));
  }

  @Override
  public ComputedOn computedOn() {
    return ComputedOn.of(device, sequencesPerPass);
  }

  @Override
  public long largestProcess() {
    return NativeSupport.processBytes();
  }

  @Override
  public void describe(ObjectNode result) {
    result.put("device", device.name());
    result.put("sequences_per_pass", sequencesPerPass);
    result.put("activation_bytes", trainer.activationBytes());
  }
}
