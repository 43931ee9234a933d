package org.sinklora.lora;

import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/**
 * An exchange among threads of one process, over its memory, for devices of any kind. Sums are
 * taken in the order of the ranks.
 */
public final class InMemoryExchange implements GradientExchange {
  private final Group group;
  private final int rank;
  private final Device device;
  private final BooleanSupplier givenUp;

  private InMemoryExchange(Group group, int rank, Device device, BooleanSupplier givenUp) {
    this.group = group;
    this.rank = rank;
    this.device = device;
    this.givenUp = givenUp;
  }

  /** Where the ranks meet; one object for all of them. */
  public static final class Group {
    private static final long LOOK_AROUND_MILLIS = 20;

    private final int size;
    private Object[] parts;
    private Object[] complete;
    private int arrived;
    private long round;
    private boolean broken;

    /**
     * @param size number of ranks, at least 1
     */
    public Group(int size) {
      if (size < 1) {
        throw new IllegalArgumentException("A group of %d ranks; choose 1 or more".formatted(size));
      }
      this.size = size;
      this.parts = new Object[size];
    }

    /**
     * A rank's end of the exchange.
     *
     * @param rank counted from 0; each is taken by one thread
     * @param device of the gradients
     * @param givenUp asked while waiting for other ranks: whether to give up, for all
     */
    public InMemoryExchange join(int rank, Device device, BooleanSupplier givenUp) {
      if (rank < 0 || rank >= size) {
        throw new IllegalArgumentException(
            "Rank %d of %d: ranks are counted from 0".formatted(rank, size));
      }
      return new InMemoryExchange(this, rank, device, givenUp);
    }

    /** What every rank has brought, once all have. The last to come lets the others go. */
    private synchronized Object[] gather(int rank, Object part, BooleanSupplier givenUp) {
      long mine = round;
      parts[rank] = part;
      if (++arrived == size) {
        complete = parts;
        parts = new Object[size];
        arrived = 0;
        round++;
        notifyAll();
      }
      while (round == mine) {
        broken |= givenUp.getAsBoolean();
        if (broken) {
          notifyAll();
          throw new IllegalStateException(
              "Rank %d of %d waited for the others, of which one failed or was stopped"
                  .formatted(rank, size));
        }
        lookAround();
      }
      // The next round can't be complete before this rank has come to it.
      return complete;
    }

    private void lookAround() {
      try {
        wait(LOOK_AROUND_MILLIS);
      } catch (InterruptedException e) {
        broken = true;
        Thread.currentThread().interrupt();
      }
    }
  }

  @Override
  public int rank() {
    return rank;
  }

  @Override
  public int size() {
    return group.size;
  }

  @Override
  public void sum(Tensor gradients) {
    float[] own = new float[Math.toIntExact(gradients.size())];
    device.download(gradients, own, 0);
    float[] sum = new float[own.length];
    each(
        own,
        part -> {
          float[] values = (float[]) part;
          if (values.length != sum.length) {
            throw new IllegalArgumentException(
                "A rank has %,d gradients, another %,d: they train different adapters"
                    .formatted(sum.length, values.length));
          }
          for (int i = 0; i < sum.length; i++) {
            sum[i] += values[i];
          }
        });
    device.upload(sum, 0, gradients);
  }

  @Override
  public double sum(double value) {
    double[] sum = new double[1];
    each(value, part -> sum[0] += (double) part);
    return sum[0];
  }

  private void each(Object own, Consumer<Object> addition) {
    for (Object part : group.gather(rank, own, givenUp)) {
      addition.accept(part);
    }
  }

  /** Nothing is held; the group ends with its ranks. */
  @Override
  public void close() {}
}
