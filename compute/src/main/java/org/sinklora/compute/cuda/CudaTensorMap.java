package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
import static org.bytedeco.cuda.global.cudart.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
import static org.bytedeco.cuda.global.cudart.CU_TENSOR_MAP_INTERLEAVE_NONE;
import static org.bytedeco.cuda.global.cudart.CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
import static org.bytedeco.cuda.global.cudart.CU_TENSOR_MAP_SWIZZLE_128B;
import static org.bytedeco.cuda.global.cudart.cuTensorMapEncodeTiled;

import org.bytedeco.cuda.cudart.CUtensorMap;
import org.bytedeco.javacpp.BytePointer;

/**
 * How the tensor memory accelerator (compute capability 9.0 and newer) finds boxes of a bfloat16
 * matrix: boxes are laid out in shared memory with the 128-byte swizzle, and what lies outside the
 * matrix reads as zero. A kernel takes it as {@code const __grid_constant__ CUtensorMap}.
 */
public final class CudaTensorMap {
  /** Bytes of the driver's structure, and the alignment it asks for. */
  static final int BYTES = 128;

  private static final int ALIGNMENT = 64;
  private static final int SWIZZLE_BYTES = 128;
  private static final int LARGEST_BOX = 256;

  private final CudaTensor tensor;
  private final BytePointer memory = new BytePointer(BYTES + ALIGNMENT);
  private final BytePointer encoded;

  CudaTensorMap(
      CudaContext context,
      CudaTensor tensor,
      long rows,
      long columns,
      long rowStride,
      int boxRows,
      int boxColumns) {
    check(tensor, rows, columns, rowStride, boxRows, boxColumns);
    this.tensor = tensor;
    this.encoded = memory.getPointer((ALIGNMENT - memory.address() % ALIGNMENT) % ALIGNMENT);
    try (RawPointer address = new RawPointer().at(tensor.address())) {
      context.check(
          cuTensorMapEncodeTiled(
              new CUtensorMap(encoded), // Closing it would end what it was cast from.
              CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
              2,
              address,
              new long[] {columns, rows},
              new long[] {rowStride * ElementType.BFLOAT16.bytes()},
              new int[] {boxColumns, boxRows},
              new int[] {1, 1},
              CU_TENSOR_MAP_INTERLEAVE_NONE,
              CU_TENSOR_MAP_SWIZZLE_128B,
              CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
              CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
          "cuTensorMapEncodeTiled");
    }
  }

  private static void check(
      CudaTensor tensor, long rows, long columns, long rowStride, int boxRows, int boxColumns) {
    if (tensor.type() != ElementType.BFLOAT16) {
      throw new IllegalArgumentException("A tensor map describes bfloat16 matrices, not " + tensor);
    }
    if (rows < 1 || columns < 1 || rowStride < columns) {
      throw new IllegalArgumentException(
          "No matrix has %d rows of %d columns at a stride of %d"
              .formatted(rows, columns, rowStride));
    }
    if ((rows - 1) * rowStride + columns > tensor.size()) {
      throw new IllegalArgumentException(
          "%d rows of %d columns at a stride of %d do not fit into %s"
              .formatted(rows, columns, rowStride, tensor));
    }
    if (tensor.address() % 16 != 0 || rowStride % 8 != 0) {
      throw new IllegalArgumentException(
          "The rows of a tensor map begin at multiples of 16 bytes; here the first is at %d past"
                  .formatted(tensor.address() % 16)
              + " one and the stride is %d bytes".formatted(2 * rowStride));
    }
    if (boxRows < 1
        || boxRows > LARGEST_BOX
        || boxColumns < 8
        || boxColumns * ElementType.BFLOAT16.bytes() > SWIZZLE_BYTES
        || boxColumns % 8 != 0) {
      throw new IllegalArgumentException(
          "A box has 1 to %d rows and 8, 16, … or 64 columns, not %d × %d"
              .formatted(LARGEST_BOX, boxRows, boxColumns));
    }
  }

  /** The driver's structure; checks that the matrix still exists. */
  BytePointer encoded() {
    tensor.address();
    return encoded;
  }
}
