package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.List;

/**
 * Requests that decode together, each with its own policy, budget and adapter. Requests may join
 * whenever there is room.
 */
public final class GenerationBatch {
  private final Generator generator;
  private final SequenceStart start;
  private final List<ActiveSequence> active = new ArrayList<>();
  private final CachedSequence[] step;

  GenerationBatch(Generator generator) {
    this.generator = generator;
    this.start = new SequenceStart(generator);
    this.step = new CachedSequence[generator.maxBatch()];
  }

  /** A request that has been added. */
  public static final class Ticket {
    private GenerationResult result;

    private Ticket() {}

    /** What it came to; null while it is under way. */
    public GenerationResult result() {
      return result;
    }
  }

  private final List<Ticket> tickets = new ArrayList<>();

  /** Whether another request may be added. */
  public boolean hasRoom() {
    return active.size() < step.length;
  }

  /** Whether no request is under way. */
  public boolean isEmpty() {
    return active.isEmpty();
  }

  /**
   * Reads a request's prompt and chooses its first token. What goes wrong is in the ticket's
   * result.
   *
   * @throws IllegalStateException if there is no room
   */
  public Ticket add(GenerationRequest request) {
    if (!hasRoom()) {
      throw new IllegalStateException(
          "The batch is full with %d sequences; take steps until one ends".formatted(step.length));
    }
    Ticket ticket = new Ticket();
    try {
      ActiveSequence sequence = start.begin(request);
      if (!sequence.ended()) {
        sequence.take(generator.engine().logits(), 0);
      }
      if (sequence.ended()) {
        ticket.result = sequence.result();
        sequence.sequence().cache().close();
      } else {
        insert(sequence, ticket);
      }
    } catch (IllegalArgumentException | CacheLimitException e) {
      ticket.result = SequenceStart.failed(e.getMessage());
    }
    return ticket;
  }

  /** Behind the last one with the same model: those share the reading of the weights. */
  private void insert(ActiveSequence sequence, Ticket ticket) {
    int at = active.size();
    for (int i = 0; i < active.size(); i++) {
      if (active.get(i).sequence().model() == sequence.sequence().model()) {
        at = i + 1;
      }
    }
    active.add(at, sequence);
    tickets.add(at, ticket);
  }

  /** One token for every request under way. */
  public void step() {
    for (int i = active.size() - 1; i >= 0; i--) {
      prepare(active.get(i));
      removeIfEnded(i);
    }
    int count = active.size();
    if (count == 0) {
      return;
    }
    for (int i = 0; i < count; i++) {
      step[i] = active.get(i).sequence();
    }
    DecodeEngine engine = generator.engine();
    engine.step(step, count);
    for (int i = count - 1; i >= 0; i--) {
      active.get(i).take(engine.logits(), i * engine.logitsRow());
      removeIfEnded(i);
    }
  }

  private static void prepare(ActiveSequence sequence) {
    if (sequence.request().cancelled().getAsBoolean()) {
      sequence.cancel();
      return;
    }
    try {
      sequence.sequence().reserve();
    } catch (CacheLimitException e) {
      sequence.fail(e.getMessage());
    }
  }

  private void removeIfEnded(int i) {
    ActiveSequence sequence = active.get(i);
    if (!sequence.ended()) {
      return;
    }
    tickets.remove(i).result = sequence.result();
    active.remove(i);
    start.keep(sequence);
    sequence.sequence().cache().close();
  }

  List<GenerationResult> runAll(List<GenerationRequest> requests) {
    List<Ticket> all = new ArrayList<>();
    for (int next = 0; next < requests.size() || !isEmpty(); ) {
      while (next < requests.size() && hasRoom()) {
        all.add(add(requests.get(next)));
        next++;
      }
      step();
    }
    return all.stream().map(Ticket::result).toList();
  }
}
