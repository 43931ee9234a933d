package org.sinklora.h2o;

import java.util.Arrays;
import java.util.List;
import org.sinklora.compute.CpuTeam;
import org.sinklora.compute.RowKernels;
import org.sinklora.compute.Scratch;

/**
 * Runs rows of the residual stream, one a token, through the layers. All members of a team run it
 * together: each computes its share of the output panels of every linear, so that a weight is read
 * once for all rows.
 *
 * <pre>
 *   x ─ norm ─ q, k, v ─┊─ attention ─┊─ o ─ + ─┊─ norm ─ gate, up ─ activation ─┊─ down ─ + ─┊─ x
 *   └────────────────────────────────────────┘└─────────────────────────────────────────────┘
 *   (┊ is a barrier)
 * </pre>
 */
final class DecoderPass {
  private final DecoderShape shape;
  private final CpuTeam team;
  private final RowKernels kernels = RowKernels.best();
  private final RowGroups groups;
  private final float[] qkv;
  private final float[] attended;
  private final float[] middle;
  private final float[] raised;
  private final float[] up;
  private final float[] logits;
  private float[] x;
  private int xAt;

  /**
   * @param maxRows rows of a pass, at most
   * @param maxLogits rows that the output head is applied to, at most
   */
  DecoderPass(DecoderShape shape, CpuTeam team, int maxRows, int maxLogits) {
    this.shape = shape;
    this.team = team;
    this.groups = new RowGroups(maxRows);
    this.qkv = new float[maxRows * shape.qkvSize()];
    this.attended = new float[maxRows * shape.attendedSize()];
    this.middle = new float[maxRows * shape.paddedHidden()];
    this.raised = new float[maxRows * shape.paddedIntermediate()];
    this.up = shape.gelu() == null ? new float[raised.length] : null;
    this.logits = new float[maxLogits * shape.paddedVocabulary()];
  }

  /** Which rows belong to which model; to be filled before a pass. */
  RowGroups groups() {
    return groups;
  }

  /** Queries, keys and values of every row, as {@link DecoderShape} lays them out. */
  float[] qkv() {
    return qkv;
  }

  /** What attention leaves for every row: [rows, heads · headDim]. */
  float[] attended() {
    return attended;
  }

  /** Logits of every row, {@link DecoderShape#paddedVocabulary()} apart. */
  float[] logits() {
    return logits;
  }

  /** Sets where the rows of the residual stream lie, {@link DecoderShape#paddedHidden()} apart. */
  void at(float[] newX, int newXAt) {
    x = newX;
    xAt = newXAt;
  }

  /** A part of a layer that a member runs without waiting for the others. */
  @FunctionalInterface
  private interface Phase {
    void run(int layer, AttentionStage attention, int member, Scratch own);
  }

  // Called from one place, so that C2 compiles every phase by itself: inlined together they exceed
  // its node budget, and it boxes vectors. A barrier stands behind every inner array.
  private final Phase[][] phases = {
    {this::attentionInputs},
    {DecoderPass::attend},
    {this::attentionOutput},
    {this::mlpInputs, this::activate},
    {this::mlpOutput},
  };

  /** One layer, by one member of the team; ends with a barrier. */
  void layer(int layer, AttentionStage attention, int member, Scratch own) {
    for (Phase[] between : phases) {
      for (Phase phase : between) {
        phase.run(layer, attention, member, own);
      }
      team.barrier();
    }
  }

  private static void attend(int layer, AttentionStage attention, int member, Scratch own) {
    attention.run(layer, member, own);
  }

  private void attentionInputs(int layer, AttentionStage attention, int member, Scratch own) {
    float[] normed = norm(NormOf.INPUT, layer, x, xAt, own);
    List<DecoderLinear> inputs = groups.model(0).layers().get(layer).attentionInputs();
    int row = shape.qkvSize();
    int hidden = shape.hidden();
    for (int i = 0, at = 0; i < inputs.size(); i++) {
      linear(
          LinearOf.ATTENTION_INPUT,
          layer,
          i,
          normed,
          0,
          hidden,
          null,
          0,
          qkv,
          at,
          row,
          member,
          own);
      at += Matrix.padded(inputs.get(i).weight().out());
    }
  }

  private void attentionOutput(int layer, AttentionStage attention, int member, Scratch own) {
    int heads = shape.attendedSize();
    int row = shape.paddedHidden();
    linear(
        LinearOf.ATTENTION_OUTPUT,
        layer,
        0,
        attended,
        0,
        heads,
        x,
        xAt,
        middle,
        0,
        row,
        member,
        own);
  }

  private void mlpInputs(int layer, AttentionStage attention, int member, Scratch own) {
    boolean parallel = shape.parallelResidual();
    float[] normed =
        norm(NormOf.POST_ATTENTION, layer, parallel ? x : middle, parallel ? xAt : 0, own);
    int hidden = shape.hidden();
    int wide = shape.paddedIntermediate();
    linear(LinearOf.MLP_INPUT, layer, 0, normed, 0, hidden, null, 0, raised, 0, wide, member, own);
    if (up != null) {
      linear(LinearOf.MLP_INPUT, layer, 1, normed, 0, hidden, null, 0, up, 0, wide, member, own);
    }
  }

  private void mlpOutput(int layer, AttentionStage attention, int member, Scratch own) {
    int wide = shape.paddedIntermediate();
    int row = shape.paddedHidden();
    linear(LinearOf.MLP_OUTPUT, layer, 0, raised, 0, wide, middle, 0, x, xAt, row, member, own);
  }

  /** Final normalisation and output head of all rows, into {@link #logits}. */
  void head(int member, Scratch own) {
    float[] normed = norm(NormOf.FINAL, 0, x, xAt, own);
    int size = shape.paddedVocabulary();
    linear(LinearOf.HEAD, 0, 0, normed, 0, shape.hidden(), null, 0, logits, 0, size, member, own);
  }

  /** Every member normalises all rows for itself: cheaper than a barrier. */
  private float[] norm(NormOf norm, int layer, float[] from, int fromAt, Scratch own) {
    int hidden = shape.hidden();
    float[] normed = own.floats(ScratchSlots.NORMED, groups.rows() * hidden);
    for (int g = 0; g < groups.count(); g++) {
      DecoderNorm weights = norm.of(groups.model(g), layer);
      for (int row = groups.start(g); row < groups.end(g); row++) {
        weights.apply(kernels, from, fromAt + row * shape.paddedHidden(), normed, row * hidden);
      }
    }
    return normed;
  }

  /**
   * The member's panels of {@code y = W in + b + residual} for all rows.
   *
   * @param residual null without; rows as far apart as those of y
   */
  private void linear(
      LinearOf linear,
      int layer,
      int index,
      float[] in,
      int inAt,
      int inRow,
      float[] residual,
      int residualAt,
      float[] y,
      int yAt,
      int yRow,
      int member,
      Scratch own) {
    int panels = linear.of(groups.model(0), layer, index).weight().panels();
    int from = from(panels, member);
    int to = from(panels, member + 1);
    if (from == to) {
      return;
    }
    for (int g = 0; g < groups.count(); g++) {
      float[] bias = linear.of(groups.model(g), layer, index).bias();
      for (int row = groups.start(g); row < groups.end(g); row++) {
        start(residual, residualAt + row * yRow, bias, y, yAt + row * yRow, from, to);
      }
    }
    for (int g = 0; g < groups.count(); ) {
      Matrix weight = linear.of(groups.model(g), layer, index).weight();
      int end = g + 1;
      while (end < groups.count()
          && linear.of(groups.model(end), layer, index).weight() == weight) {
        end++;
      }
      int first = groups.start(g);
      weight.multiply(
          in,
          inAt + first * inRow,
          inRow,
          groups.start(end) - first,
          from,
          to,
          y,
          yAt + first * yRow,
          yRow,
          own);
      g = end;
    }
    for (int g = 0; g < groups.count(); g++) {
      LowRank lowRank = linear.of(groups.model(g), layer, index).lowRank();
      int first = groups.start(g);
      if (lowRank != null) {
        lowRank.add(
            in,
            inAt + first * inRow,
            inRow,
            groups.end(g) - first,
            from,
            to,
            y,
            yAt + first * yRow,
            yRow,
            own);
      }
    }
  }

  private int from(int panels, int member) {
    return (int) ((long) panels * member / team.threads());
  }

  private static void start(
      float[] residual, int residualAt, float[] bias, float[] y, int yAt, int from, int to) {
    int first = from * Matrix.PANEL;
    int end = to * Matrix.PANEL;
    if (residual == null && bias == null) {
      Arrays.fill(y, yAt + first, yAt + end, 0f);
    } else if (bias == null) {
      System.arraycopy(residual, residualAt + first, y, yAt + first, end - first);
    } else if (residual == null) {
      System.arraycopy(bias, first, y, yAt + first, end - first);
    } else {
      for (int i = first; i < end; i++) {
        y[yAt + i] = residual[residualAt + i] + bias[i];
      }
    }
  }

  /** The activation of the panels that the member has just computed. */
  private void activate(int layer, AttentionStage attention, int member, Scratch own) {
    int wide = shape.paddedIntermediate();
    int panels = wide / Matrix.PANEL;
    int first = from(panels, member) * Matrix.PANEL;
    int n = from(panels, member + 1) * Matrix.PANEL - first;
    float[] a = own.floats(ScratchSlots.ACTIVATION, n);
    float[] b = own.floats(ScratchSlots.SECOND_ACTIVATION, n);
    for (int row = 0; row < groups.rows() && n > 0; row++) {
      int at = row * wide + first;
      System.arraycopy(raised, at, a, 0, n);
      if (up != null) {
        System.arraycopy(up, at, b, 0, n);
        kernels.swiGlu(a, b, a, n);
      } else {
        kernels.gelu(a, n, shape.gelu());
      }
      System.arraycopy(a, 0, raised, at, n);
    }
  }
}
