package org.sinklora.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/**
 * Weights as before any training, made where they are used: normal with deviation 0.02, norms one,
 * biases zero.
 */
final class RandomWeights {
  private static final float DEVIATION = 0.02f;

  private RandomWeights() {}

  static Map<String, Parameter> of(
      Architecture architecture, Device device, long seed, Quantization quantization) {
    Map<String, Parameter> parameters = new LinkedHashMap<>();
    try {
      Map<String, long[]> stored = architecture.storedShapes();
      Set<String> packed = quantization.packed(architecture);
      for (ModuleSpec module : architecture.modules()) {
        for (String name : module.parameters().keySet()) {
          if (stored.containsKey(name)) {
            Tensor value = device.allocateWeights(stored.get(name));
            fill(device, module, name, value, seed);
            parameters.put(name, Parameter.frozen(name, value, packed.contains(name), device));
          }
        }
      }
      return parameters;
    } catch (RuntimeException | Error e) {
      parameters.values().forEach(Parameter::close);
      throw e;
    }
  }

  private static void fill(Device device, ModuleSpec module, String name, Tensor value, long seed) {
    if (name.equals(module.biasName())) {
      device.fill(value, 0);
    } else if (module.kind() == ModuleSpec.Kind.NORM) {
      device.fill(value, 1);
    } else {
      device.fillNormal(value, DEVIATION, Pass.mix(seed, name.hashCode()));
    }
  }
}
