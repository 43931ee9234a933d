package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.ModelWeights;

/** Brings the weights of a model folder onto a device. */
final class BaseWeights {
  private static final int CHUNK = 1 << 20;

  private BaseWeights() {}

  /**
   * The parameters of the architecture, by name.
   *
   * @throws ModelFormatException if one is missing, has another shape or is not finite, or if the
   *     file holds tensors that the architecture does not know; nothing stays allocated then
   */
  static Map<String, Parameter> load(
      Path folder,
      ModelConfig config,
      Architecture architecture,
      Device device,
      Quantization quantization)
      throws IOException {
    Map<String, Parameter> parameters = new LinkedHashMap<>();
    try (ModelWeights weights = ModelWeights.open(folder)) {
      Set<String> unknown = new TreeSet<>(weights.names());
      unknown.removeIf(architecture.ignored());
      unknown.remove(architecture.head().weight());
      Map<String, long[]> expected = architecture.storedShapes();
      expected.forEach((name, shape) -> checkShape(folder, weights, name, shape));
      unknown.removeAll(expected.keySet());
      if (!unknown.isEmpty()) {
        throw new ModelFormatException(
            "%s holds tensors that %s does not have: %s. Another architecture, or one with additions?"
                .formatted(folder, config.json().path("model_type").asText(), firstOf(unknown)));
      }
      Set<String> packed = quantization.packed(architecture);
      expected.forEach(
          (name, shape) -> {
            Tensor value = load(folder, weights, name, device.allocateWeights(shape), device);
            parameters.put(name, Parameter.frozen(name, value, packed.contains(name), device));
          });
      return parameters;
    } catch (IOException | RuntimeException | Error e) {
      parameters.values().forEach(Parameter::close);
      throw e;
    }
  }

  private static void checkShape(Path folder, ModelWeights weights, String name, long[] shape) {
    if (!weights.contains(name)) {
      throw new ModelFormatException(
          "%s has no tensor %s, which config.json asks for with shape %s"
              .formatted(folder, name, Arrays.toString(shape)));
    }
    if (!weights.info(name).hasShape(shape)) {
      throw new ModelFormatException(
          "%s: tensor %s has shape %s, but config.json asks for %s"
              .formatted(folder, name, weights.info(name).shape(), Arrays.toString(shape)));
    }
  }

  /**
   * Fills a tensor from a stored one of which all is finite.
   *
   * @param tensor closed if that is not so
   */
  static Tensor load(Path folder, ModelWeights weights, String name, Tensor tensor, Device device) {
    try {
      read(folder, weights, name, tensor, device);
      return tensor;
    } catch (RuntimeException | Error e) {
      tensor.close();
      throw e;
    }
  }

  private static void read(
      Path folder, ModelWeights weights, String name, Tensor tensor, Device device) {
    float[] chunk = new float[(int) Math.min(CHUNK, tensor.size())];
    for (long at = 0; at < tensor.size(); at += chunk.length) {
      int count = (int) Math.min(chunk.length, tensor.size() - at);
      weights.readFloats(name, at, chunk, 0, count);
      for (int i = 0; i < count; i++) {
        if (!Float.isFinite(chunk[i])) {
          throw new ModelFormatException(
              "%s: element %d of tensor %s is %s; a model with such weights computes nothing else"
                  .formatted(folder, at + i, name, chunk[i]));
        }
      }
      device.upload(chunk, 0, tensor.view(at, count));
    }
  }

  private static String firstOf(Set<String> names) {
    String first = String.join(", ", names.stream().limit(3).toList());
    return names.size() > 3 ? first + " and " + (names.size() - 3) + " more" : first;
  }
}
