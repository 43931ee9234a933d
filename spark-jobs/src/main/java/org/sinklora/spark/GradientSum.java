package org.sinklora.spark;

import java.io.Serializable;
import java.util.Map;
import java.util.TreeMap;

/**
 * Sums of gradients and losses on their way from the partitions to the driver.
 *
 * <p>Additions of floats round, so their order matters, and Spark merges results in the order in
 * which they arrive. Here only the two halves of a fixed binary tree over the partitions are ever
 * added; what lacks its other half waits. The sum is therefore the same bits every time.
 */
final class GradientSum implements Serializable {
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

  private record Part(float[] gradients, double loss) implements Serializable {
    Part plus(Part right) {
      for (int i = 0; i < gradients.length; i++) {
        gradients[i] += right.gradients[i];
      }
      return new Part(gradients, loss + right.loss);
    }
  }

  private final TreeMap<Node, Part> parts = new TreeMap<>();
  private long largestProcess;

  /** The sum of nothing. */
  GradientSum() {}

  /**
   * What one partition computed.
   *
   * @param processBytes memory of the process that did
   */
  GradientSum(int partition, float[] gradients, double loss, long processBytes) {
    parts.put(new Node(0, partition), new Part(gradients, loss));
    largestProcess = processBytes;
  }

  /** Adds another sum, whose arrays become this one's. */
  GradientSum merge(GradientSum other) {
    other.parts.forEach(this::add);
    largestProcess = Math.max(largestProcess, other.largestProcess);
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

  /** The summed gradients of all partitions. */
  float[] gradients() {
    return total().gradients();
  }

  /** The summed loss of all partitions. */
  double loss() {
    return total().loss();
  }

  /** Memory of the largest process that took part, in bytes. */
  long largestProcess() {
    return largestProcess;
  }
}
