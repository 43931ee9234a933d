package org.sinklora.compute;

/** How much memory the tensors of a device take, and took at most. */
public final class AllocatedBytes {
  private long now;
  private long peak;

  /** Counts an allocation; negative when it ends. */
  public synchronized void add(long bytes) {
    now += bytes;
    peak = Math.max(peak, now);
  }

  /** Bytes allocated now. */
  public synchronized long now() {
    return now;
  }

  /** The most that was allocated at a time since the last {@link #resetPeak}. */
  public synchronized long peak() {
    return peak;
  }

  /** The peak starts again from what is allocated now. */
  public synchronized void resetPeak() {
    peak = now;
  }
}
