package org.sinklora.spark;

import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the tasks of a round computed, summed on its way from the partitions to the driver.
 *
 * <p>Additions of floats round, so their order matters, and Spark merges results in the order in
 * which they arrive. Here only the two halves of a fixed binary tree over the partitions are ever
 * added; what lacks its other half waits. The sum is therefore the same bits every time.
 */
final class RoundSum implements Serializable {
  private static final long serialVersionUID = 1;

  /** Sum over the partitions {@code [index · 2^level, (index + 1) · 2^level)}. */
  private record Node(int level, int index) implements Comparable<Node>, Serializable {
    Node parent() {
      return new Node(level + 1, index / 2);
    }

    Node sibling() {
      return new Node(level, index ^ 1);
    }

    @Override
    public int compareTo(Node other) {
      int byStart = Long.compare((long) index << level, (long) other.index << other.level);
      return byStart != 0 ? byStart : Integer.compare(level, other.level);
    }
  }

  private record Part(List<RoundValues> values, double[] numbers) implements Serializable {
    Part plus(Part right) {
      List<RoundValues> sums = new ArrayList<>();
      for (int i = 0; i < values.size(); i++) {
        sums.add(values.get(i).plus(right.values.get(i)));
      }
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] += right.numbers[i];
      }
      return new Part(sums, numbers);
    }

    long bytes() {
      return values.stream().mapToLong(RoundValues::bytes).sum()
          + (long) numbers.length * Double.BYTES;
    }
  }

  /**
   * What a task took.
   *
   * @param nanos of computing, without what it waited for
   * @param processBytes memory of the process
   */
  record TaskCost(long nanos, long processBytes) implements Serializable {}

  private final TreeMap<Node, Part> parts = new TreeMap<>();
  private long slowestNanos;
  private long nanos;
  private long largestProcess;
  private transient long bytes;

  /** The sum of nothing. */
  RoundSum() {}

  /**
   * What one partition computed.
   *
   * @param values to be summed, as many of every partition
   * @param numbers to be summed, as many of every partition
   */
  RoundSum(int partition, List<RoundValues> values, double[] numbers, TaskCost cost) {
    parts.put(new Node(0, partition), new Part(values, numbers));
    slowestNanos = cost.nanos();
    nanos = cost.nanos();
    largestProcess = cost.processBytes();
  }

  /** Adds another sum, whose arrays become this one's. */
  RoundSum merge(RoundSum other) {
    other.parts.forEach(this::add);
    slowestNanos = Math.max(slowestNanos, other.slowestNanos);
    nanos += other.nanos;
    largestProcess = Math.max(largestProcess, other.largestProcess);
    bytes += other.bytes;
    return this;
  }

  private void add(Node node, Part part) {
    Node sibling = node.sibling();
    Part waiting = parts.remove(sibling);
    if (waiting == null) {
      parts.put(node, part);
    } else if (sibling.index() < node.index()) {
      add(node.parent(), waiting.plus(part));
    } else {
      add(node.parent(), part.plus(waiting));
    }
  }

  private Part total() {
    Part total = null;
    for (Map.Entry<Node, Part> entry : parts.entrySet()) {
      total = total == null ? entry.getValue() : total.plus(entry.getValue());
    }
    parts.clear();
    parts.put(new Node(Integer.SIZE, 0), total);
    return total;
  }

  /**
   * Summed values of all partitions.
   *
   * @param index which of those that every partition gave
   * @return to be read only
   */
  float[] values(int index) {
    return total().values().get(index).all(null);
  }

  /** A summed number of all partitions. */
  double number(int index) {
    return total().numbers()[index];
  }

  /**
   * The least that the tasks' computing takes, in seconds: the slowest of them, or where they are
   * more than run at a time, all of them shared out evenly.
   *
   * @param cores tasks that run at a time
   */
  double computeSeconds(int cores) {
    return Math.max(slowestNanos, nanos / cores) / 1e9;
  }

  /** Memory of the largest process that took part, in bytes. */
  long largestProcess() {
    return largestProcess;
  }

  /** Bytes in which parts of the sum have travelled, from process to process, up to here. */
  long bytes() {
    return bytes;
  }

  private void writeObject(ObjectOutputStream out) throws IOException {
    out.defaultWriteObject();
    out.writeLong(bytes + parts.values().stream().mapToLong(Part::bytes).sum());
  }

  private void readObject(ObjectInputStream in) throws IOException, ClassNotFoundException {
    in.defaultReadObject();
    bytes = in.readLong();
  }
}
