package org.sinklora.compute.cuda;

import static org.sinklora.compute.cuda.Operands.define;
import static org.sinklora.compute.cuda.Operands.floats;

import java.util.Map;
import java.util.WeakHashMap;
import org.sinklora.compute.Heads;
import org.sinklora.compute.RopeTable;

/** The rotary embedding; tables go to the GPU once, when they are first used. */
final class CudaRope {
  private static final int MOST_THREADS = 256;

  private final CudaDevice device;
  private final IntArrays arrays;

  /** Cosines [0] and sines [1] of every table in use. */
  private final Map<RopeTable, CudaTensor> tables = new WeakHashMap<>();

  CudaRope(CudaDevice device, IntArrays arrays) {
    this.device = device;
    this.arrays = arrays;
  }

  void rope(Heads x, CudaTensor data, RopeTable table, int[] positions, boolean inverse) {
    check(x, data, table, positions);
    CudaTensor cosAndSin = tables.computeIfAbsent(table, this::upload);
    int pairs = table.rotaryDim() / 2;
    CudaTensor heads = data.view(x.offset(), data.size() - x.offset());
    int pack = pack(x, heads, pairs);
    int work = x.heads() * (pairs / pack);
    device
        .kernel(
            CudaRope.class, "rope.cu", "rope", define("ELEMENT", floats(data)), define("VEC", pack))
        .launch(
            positions.length,
            1,
            1,
            Math.min(MOST_THREADS, (work + 31) / 32 * 32),
            0,
            heads,
            x.tokenStride(),
            x.headStride(),
            x.heads(),
            pairs,
            cosAndSin.rows(0, 1),
            cosAndSin.rows(1, 2),
            arrays.onDevice(positions),
            inverse ? -1f : 1f);
  }

  private static int pack(Heads x, CudaTensor heads, int pairs) {
    int perSixteenBytes = 16 / heads.type().bytes();
    boolean aligned =
        heads.address() % 16 == 0
            && x.tokenStride() % perSixteenBytes == 0
            && x.headStride() % perSixteenBytes == 0;
    return aligned && pairs % 8 == 0 ? 8 : 1;
  }

  private CudaTensor upload(RopeTable table) {
    CudaTensor tensor = device.allocate(ElementType.FLOAT32, 2, table.cos().length);
    device.upload(table.cos(), 0, tensor.rows(0, 1));
    device.upload(table.sin(), 0, tensor.rows(1, 2));
    return tensor;
  }

  private static void check(Heads x, CudaTensor data, RopeTable table, int[] positions) {
    if (table.rotaryDim() > x.headDim()) {
      throw new IllegalArgumentException(
          "%d components cannot be rotated in heads of %d"
              .formatted(table.rotaryDim(), x.headDim()));
    }
    for (int position : positions) {
      if (position < 0 || position >= table.length()) {
        throw new IllegalArgumentException(
            "Position %d is outside the rotary table of %d".formatted(position, table.length()));
      }
    }
    if (positions.length == 0) {
      throw new IllegalArgumentException("There are no positions to rotate heads to");
    }
    if (x.index(positions.length - 1, x.heads() - 1) + x.headDim() > data.size()) {
      throw new IllegalArgumentException(
          "The heads of %d tokens do not fit into %s".formatted(positions.length, data));
    }
  }

  void close() {
    tables.values().forEach(CudaTensor::close);
    tables.clear();
  }
}
