package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Tensor;

class StepBenchTest {
  private final CpuDevice device = new CpuDevice(2);

  @Test
  void measuresEveryPattern() {
    ModelConfig config = StepBench.extended(NamedShapes.of("bundled"), 1024);
    assertEquals(1024, config.maxPositionEmbeddings());
    try (CausalLm model = CausalLm.random(config, device, 1)) {
      StepBench bench = new StepBench(model, GradientCheckpointing.ON, 0, 2);
      List<StepBench.Row> rows = bench.run(List.of("full", "sf", "s2"), List.of(64));
      assertEquals(3, rows.size());
      for (StepBench.Row row : rows) {
        // Weights that know nothing give every token about the same probability.
        assertEquals(Math.log(2048), row.loss(), 0.3, row.attention());
        assertTrue(row.peakBytes() > 4 * model.parameters(), row.toString());
        assertEquals(64 / row.bestSeconds(), row.tokensPerSecond(), 1e-6);
      }
      StringWriter text = new StringWriter();
      StepBench.print(rows, new PrintWriter(text));
      assertTrue(text.toString().contains("input of 6"), text.toString());
      assertThrows(IllegalArgumentException.class, () -> bench.run(List.of("half"), List.of(64)));
    }
    assertEquals(0, device.allocatedBytes(), "tensors stay allocated");
  }

  @ParameterizedTest
  @ValueSource(strings = {"bundled", "llama2-7b", "llama2-13b", "llama3-8b", "pythia-1.4b"})
  void everyShapeCanBeTrained(String name) {
    ModelConfig config = NamedShapes.of(name);
    AdapterLayout layout = AdapterLayout.of(StepBench.adapter(config), Architecture.of(config));
    int linears = config instanceof LlamaConfig ? 4 : 2;
    assertEquals(linears * config.numHiddenLayers(), layout.lora().size());
    config.checkTrainable();
  }

  @Test
  void anUnknownShapeNamesTheOthers() {
    Exception error = assertThrows(IllegalArgumentException.class, () -> NamedShapes.of("llama9"));
    assertTrue(error.getMessage().contains("llama2-7b"), error.getMessage());
  }

  @Test
  void randomWeightsFollowFromTheSeed() {
    ModelConfig config = NamedShapes.of("bundled");
    try (CausalLm one = CausalLm.random(config, device, 1);
        CausalLm same = CausalLm.random(config, device, 1);
        CausalLm other = CausalLm.random(config, device, 2)) {
      String name = "model.layers.3.mlp.up_proj.weight";
      assertArrayEquals(values(one.weight(name)), values(same.weight(name)));
      double squares = device.sumOfSquares(one.weight(name)) / one.weight(name).size();
      assertEquals(0.02, Math.sqrt(squares), 0.0005);
      assertTrue(Errors.relative(values(one.weight(name)), values(other.weight(name))) > 0.5);
      assertEquals(1, values(one.weight("model.norm.weight"))[7]);
    }
  }

  private float[] values(Tensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.size())];
    device.download(tensor, values, 0);
    return values;
  }
}
