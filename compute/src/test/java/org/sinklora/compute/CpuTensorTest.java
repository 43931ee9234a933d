package org.sinklora.compute;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

class CpuTensorTest {
  @Test
  void aTensorIsAnNd4jArray() {
    CpuTensor tensor = CpuTensor.zeros(new AllocatedBytes(), 4, 6);
    tensor.write(0, new RandomFloats(1).next(24), 0, 24);
    CpuTensor view = tensor.rows(1, 3);
    INDArray array = view.array();
    assertArrayEquals(new long[] {2, 6}, array.shape());
    assertArrayEquals(view.toArray(), array.dup().data().asFloat());
    array.putScalar(1, 5, 42);
    assertEquals(42f, tensor.toArray()[2 * 6 + 5]);
  }

  @Test
  void viewsShareMemoryAndCannotLeaveIt() {
    CpuTensor tensor = CpuTensor.zeros(new AllocatedBytes(), 10);
    CpuTensor inner = tensor.view(4, 3).view(1, 2);
    inner.write(0, new float[] {7, 8}, 0, 2);
    assertArrayEquals(new float[] {0, 0, 0, 0, 0, 7, 8, 0, 0, 0}, tensor.toArray());
    assertThrows(IllegalArgumentException.class, () -> tensor.view(8, 3));
    assertThrows(IllegalArgumentException.class, () -> inner.view(0, 3));
    assertThrows(IndexOutOfBoundsException.class, () -> inner.read(1, new float[4], 0, 2));
    assertThrows(IllegalArgumentException.class, () -> CpuTensor.zeros(new AllocatedBytes(), 3, 0));
  }

  @Test
  void aClosedTensorSaysSo() {
    CpuTensor tensor = CpuTensor.zeros(new AllocatedBytes(), 10);
    CpuTensor view = tensor.view(0, 5);
    view.close();
    assertEquals(10, tensor.toArray().length);
    tensor.close();
    assertThrows(IllegalStateException.class, view::toArray);
  }

  @Test
  void memoryLongerThanAJavaBufferIsReadThroughSeveral() {
    INDArray flat = Nd4j.create(DataType.FLOAT, 100);
    CpuMemory memory = new CpuMemory(flat, 100, new AllocatedBytes(), 4);
    float[] values = new RandomFloats(2).next(100);
    memory.write(3, values, 5, 60);
    float[] back = new float[100];
    memory.read(3, back, 10, 60);
    for (int i = 0; i < 60; i++) {
      assertEquals(values[5 + i], back[10 + i]);
      assertEquals(values[5 + i], flat.getFloat(3 + i));
      assertEquals(values[5 + i], memory.pointer(3 + i).get());
    }
    memory.close();
  }
}
