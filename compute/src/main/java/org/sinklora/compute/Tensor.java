package org.sinklora.compute;

/**
 * Dense, row-major numbers in the memory of one {@link Device}: float32, or what the device keeps
 * weights and activations in.
 *
 * <p>A tensor either owns its memory or is a view into another one's; closing the owner ends its
 * views. Shapes are lists of positive extents, the last one contiguous.
 */
public interface Tensor extends AutoCloseable {

  /** The extents, outermost first; the caller must not change the array. */
  long[] shape();

  /** Number of elements. */
  long size();

  /**
   * A window of contiguous elements under another shape, without a copy.
   *
   * @param offset first element of the window
   * @param shape extents of the view; their product must fit behind {@code offset}
   */
  Tensor view(long offset, long... shape);

  /** Extent {@code axis}; negative counts from the last. */
  default long dim(int axis) {
    long[] shape = shape();
    return shape[axis < 0 ? shape.length + axis : axis];
  }

  /** Rows {@code [from, to)} of the outermost axis, without a copy. */
  default Tensor rows(long from, long to) {
    long[] shape = shape().clone();
    long rowSize = size() / shape[0];
    shape[0] = to - from;
    return view(from * rowSize, shape);
  }

  /** Frees the memory of an owner; does nothing on a view. */
  @Override
  void close();
}
