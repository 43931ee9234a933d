package org.sinklora.lora;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * What a training step keeps in a device's memory, and how many bytes that takes.
 *
 * <p>Everything is counted before anything is allocated: how long a context may be follows from
 * this plan, not from where the memory happens to run out.
 *
 * @param tokens of the largest batch
 * @param tileRows tokens that the MLP works on at a time
 * @param layers what is kept of each layer
 * @param parkedBytes layer inputs in the host's memory; 0 where all stay in the device's
 * @param items what takes memory, the largest kinds apart
 * @param capacity bytes that there are; {@link Long#MAX_VALUE} if memory is not what limits the run
 */
public record MemoryPlan(
    int tokens,
    int tileRows,
    List<KeptActivations> layers,
    long parkedBytes,
    List<Item> items,
    long capacity) {
  /** Name of the item that is the base model. */
  public static final String WEIGHTS = "frozen weights";

  /** Name of the item that is AdamW's averages. */
  public static final String OPTIMIZER = "optimiser";

  /** Name of the item that is what is trained. */
  public static final String ADAPTER = "adapter and its gradients";

  /** Name of the item that is what a GPU's kernels need, counted where there is a limit. */
  public static final String KERNELS = "kernels and libraries";

  /** Tokens of an MLP's tile at most: enough to fill a GPU, few enough to cost no memory. */
  private static final int TILE_ROWS = 8192;

  private static final int TILE_MULTIPLE = 256;

  /** What libraries and kernels need, whatever the model: work space, code, stacks. */
  private static final long KERNEL_BYTES = 768L << 20;

  /**
   * Something that takes memory.
   *
   * @param name what it is
   * @param bytes what it takes
   */
  public record Item(String name, long bytes) {}

  public MemoryPlan {
    layers = List.copyOf(layers);
    items = List.copyOf(items);
  }

  /**
   * What the plan depends on.
   *
   * @param config the model
   * @param adapter what is trained
   * @param quantization how the frozen weights of linears are kept
   * @param tokens of the largest batch
   * @param elementBytes bytes of a frozen weight and of an activation
   * @param logitsElements see {@link org.sinklora.compute.Device#logitsElements}
   * @param canPark whether layer inputs can move to the host's memory meanwhile
   * @param checkpointing what to keep
   * @param capacity bytes for all of it; {@link Long#MAX_VALUE} without limit
   */
  public record Request(
      ModelConfig config,
      LoraConfig adapter,
      Quantization quantization,
      int tokens,
      int elementBytes,
      long logitsElements,
      boolean canPark,
      GradientCheckpointing checkpointing,
      long capacity) {}

  /**
   * The plan that keeps the most of what fits. Layer inputs go to the host's memory only where
   * nothing fits otherwise.
   *
   * @throws IllegalStateException if what was asked for does not fit; the message has the numbers
   */
  public static MemoryPlan of(Request request) {
    MemoryCount count = new MemoryCount(request, tileRows(request.tokens(), request.capacity()));
    int layers = request.config().numHiddenLayers();
    KeptActivations least =
        request.checkpointing() == GradientCheckpointing.OFF
            ? KeptActivations.ALL
            : KeptActivations.INPUT;
    List<KeptActivations> chosen = new ArrayList<>(Collections.nCopies(layers, least));
    boolean parked =
        request.canPark()
            && request.checkpointing() != GradientCheckpointing.OFF
            && !count.fits(chosen, false);
    if (!count.fits(chosen, parked)) {
      throw doesNotFit(request, count.plan(chosen, parked));
    }
    if (request.checkpointing() == GradientCheckpointing.AUTO) {
      raise(chosen, KeptActivations.ATTENTION, count, parked);
      raise(chosen, KeptActivations.ALL, count, parked);
    }
    return count.plan(chosen, parked);
  }

  /** Keeps more of one layer after the other, the last first, while that fits. */
  private static void raise(
      List<KeptActivations> chosen, KeptActivations level, MemoryCount count, boolean parked) {
    for (int i = chosen.size() - 1; i >= 0; i--) {
      KeptActivations before = chosen.set(i, level);
      if (!count.fits(chosen, parked)) {
        chosen.set(i, before);
        return;
      }
    }
  }

  /** Tiles of about equal size; the whole where memory is not what limits the run. */
  static int tileRows(int tokens, long capacity) {
    if (capacity == Long.MAX_VALUE || tokens <= TILE_ROWS) {
      return tokens;
    }
    int tiles = (tokens + TILE_ROWS - 1) / TILE_ROWS;
    int rows = (tokens + tiles - 1) / tiles;
    return (rows + TILE_MULTIPLE - 1) / TILE_MULTIPLE * TILE_MULTIPLE;
  }

  private static IllegalStateException doesNotFit(Request request, MemoryPlan least) {
    String wayOut =
        request.checkpointing() == GradientCheckpointing.OFF
            ? "Set gradientCheckpointing to auto; else take shorter or fewer sequences a batch"
            : "Take shorter or fewer sequences a batch, bfloat16 instead of float32, train fewer modules whole, or use a device with more memory";
    return new IllegalStateException(
        "A training step on %,d tokens needs %s, but %s are available.%n%s%n%s."
            .formatted(
                request.tokens(), size(least.bytes()), size(least.capacity()), least, wayOut));
  }

  static long kernelBytes() {
    return KERNEL_BYTES;
  }

  /** All bytes together. */
  public long bytes() {
    return items.stream().mapToLong(Item::bytes).sum();
  }

  /** Bytes of one item; 0 if there is none of the name. */
  public long bytes(String name) {
    return items.stream().filter(i -> i.name().equals(name)).mapToLong(Item::bytes).sum();
  }

  /** Whether layer inputs move to the host's memory while they are not needed. */
  public boolean parked() {
    return parkedBytes > 0;
  }

  /** Number of layers of which exactly that is kept. */
  public long count(KeptActivations level) {
    return layers.stream().filter(layer -> layer == level).count();
  }

  private static String size(long bytes) {
    if (bytes < 1 << 20) {
      return String.format(Locale.ROOT, "%,d bytes", bytes);
    }
    return bytes < 1 << 30
        ? String.format(Locale.ROOT, "%.1f MiB", bytes / (double) (1 << 20))
        : String.format(Locale.ROOT, "%.2f GiB", bytes / (double) (1 << 30));
  }

  /** A table for people. */
  @Override
  public String toString() {
    StringBuilder text =
        new StringBuilder(
            "%,d tokens, MLP in tiles of %,d; kept for the backward: all of %d layers, input and attention of %d, input of %d%n"
                .formatted(
                    tokens,
                    tileRows,
                    count(KeptActivations.ALL),
                    count(KeptActivations.ATTENTION),
                    count(KeptActivations.INPUT)));
    for (Item item : items) {
      text.append("  %-34s %16s%n".formatted(item.name(), size(item.bytes())));
    }
    text.append("  %-34s %16s".formatted("together", size(bytes())));
    if (capacity != Long.MAX_VALUE) {
      text.append(" of %s".formatted(size(capacity)));
    }
    if (parked()) {
      text.append("%n  layer inputs in the host's memory  %16s".formatted(size(parkedBytes)));
    }
    return text.toString();
  }
}
