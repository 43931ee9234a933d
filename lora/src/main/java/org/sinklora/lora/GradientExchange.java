package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/**
 * How the ranks of a data-parallel run add up what each of them has. A rank is one device with a
 * copy of the model and of the adapter; the number of ranks is free. Every rank makes the same
 * calls in the same order and gets the same bits, so that all update alike.
 *
 * <p>A rank that fails leaves the others waiting; an implementation says how they learn of it.
 * Their call then throws, and the exchange is of no use any more.
 */
public interface GradientExchange extends AutoCloseable {

  /** This rank's number, counted from 0. */
  int rank();

  /** Number of ranks. */
  int size();

  /**
   * Replaces every element by its sum over the ranks.
   *
   * @param gradients of this rank, laid out alike on every rank, on this rank's device
   */
  void sum(Tensor gradients);

  /** The sum of a number over the ranks. */
  double sum(double value);

  /** Leaves; every rank does so once it needs no more sums. */
  @Override
  void close();

  /** The exchange of a rank that is the only one. */
  static GradientExchange alone() {
    return new GradientExchange() {
      @Override
      public int rank() {
        return 0;
      }

      @Override
      public int size() {
        return 1;
      }

      @Override
      public void sum(Tensor gradients) {
        // The sum over one rank is what it has.
      }

      @Override
      public double sum(double value) {
        return value;
      }

      @Override
      public void close() {
        // Nothing is held.
      }
    };
  }
}
