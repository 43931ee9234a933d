package org.sinklora.sfattn;

import java.util.Arrays;
import java.util.List;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/** Arrays of C structures of ints, built row by row and brought to the GPU. */
final class DeviceRecords {
  private final int fields;
  private int[] values = new int[64];
  private int size;

  /**
   * @param fields ints of a structure
   */
  DeviceRecords(int fields) {
    this.fields = fields;
  }

  /**
   * Adds a structure; fields that are not given are 0.
   *
   * @return its index
   */
  int add(int... record) {
    if (values.length < size + fields) {
      values = Arrays.copyOf(values, 2 * values.length);
    }
    System.arraycopy(record, 0, values, size, record.length);
    size += fields;
    return count() - 1;
  }

  static DeviceRecords of(int fields, List<int[]> records) {
    DeviceRecords all = new DeviceRecords(fields);
    records.forEach(all::add);
    return all;
  }

  int count() {
    return size / fields;
  }

  int field(int record, int field) {
    return values[record * fields + field];
  }

  CudaTensor upload(CudaDevice device) {
    return upload(device, Arrays.copyOf(values, Math.max(size, 1)));
  }

  static CudaTensor upload(CudaDevice device, int[] values) {
    CudaTensor tensor = device.allocate(ElementType.INT32, values.length);
    device.upload(values, tensor);
    return tensor;
  }
}
