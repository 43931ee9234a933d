package org.sinklora.lora;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.SafeTensorsFile;
import org.sinklora.lora.safetensors.SafeTensorsWriter;
import org.sinklora.lora.safetensors.TensorInfo;

/** A safetensors file of floats to spoil. */
final class EditedTensors {
  private final Path file;
  private final Map<String, TensorInfo> infos = new TreeMap<>();
  private final Map<String, float[]> values = new TreeMap<>();

  private EditedTensors(Path file) {
    this.file = file;
  }

  static EditedTensors of(Path file) throws IOException {
    EditedTensors edited = new EditedTensors(file);
    try (SafeTensorsFile opened = SafeTensorsFile.open(file)) {
      for (String name : opened.names()) {
        edited.infos.put(name, opened.info(name));
        edited.values.put(name, Fixture.floats(opened, name));
      }
    }
    return edited;
  }

  EditedTensors set(String name, int element, float value) {
    values.get(name)[element] = value;
    return this;
  }

  EditedTensors remove(String name) {
    infos.remove(name);
    values.remove(name);
    return this;
  }

  /** Adds a tensor of zeros. */
  EditedTensors add(String name, long... shape) {
    TensorInfo info = TensorInfo.of(Dtype.F32, shape);
    infos.put(name, info);
    values.put(name, new float[Math.toIntExact(info.elements())]);
    return this;
  }

  EditedTensors rename(String name, String newName) {
    infos.put(newName, infos.get(name));
    values.put(newName, values.get(name));
    return remove(name);
  }

  /** Declares the bytes to be of another type, as wide. */
  EditedTensors as(String name, Dtype dtype) {
    infos.put(name, new TensorInfo(dtype, infos.get(name).shape()));
    return this;
  }

  float[] values(String name) {
    return values.get(name);
  }

  void write() throws IOException {
    writeTo(file);
  }

  void writeTo(Path target) throws IOException {
    SafeTensorsWriter writer = new SafeTensorsWriter();
    infos.forEach(
        (name, info) -> {
          float[] source = values.get(name);
          if (info.dtype() == Dtype.F32) {
            writer.add(
                name,
                info,
                (first, destination, at, count) ->
                    System.arraycopy(source, Math.toIntExact(first), destination, at, count));
          } else {
            byte[] zeros = new byte[Math.toIntExact(info.byteSize())];
            writer.addBytes(name, info, () -> List.of(ByteBuffer.wrap(zeros)));
          }
        });
    writer.write(target);
  }
}
