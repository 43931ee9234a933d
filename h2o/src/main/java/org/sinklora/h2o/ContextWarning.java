package org.sinklora.h2o;

/**
 * Says that a text runs past the context its model was trained for. The model goes on without an
 * error there, but what it writes gets worse quickly.
 */
final class ContextWarning {
  private ContextWarning() {}

  /**
   * What is known before anything is generated.
   *
   * @param context tokens the model was trained for
   * @return null if there is nothing to warn of
   */
  static String ofPrompt(GenerationRequest request, int context) {
    int length = request.prompt().length;
    int kept = request.policy().resolve(length).keptOf(length);
    return places(request, length, kept) <= context
        ? null
        : text("The prompt has %,d tokens".formatted(length), context);
  }

  /**
   * The same for a sequence that has ended.
   *
   * @param cache with what is left of the text
   * @param tokens that were read, the prompt's among them
   */
  static String of(GenerationRequest request, KvCache cache, int tokens, int context) {
    String ofPrompt = ofPrompt(request, context);
    if (ofPrompt != null || places(request, tokens, cache.nextPlace(0)) <= context) {
      return ofPrompt;
    }
    return text("Prompt and answer have %,d tokens".formatted(tokens), context);
  }

  /** How many positions keys are rotated to. */
  private static int places(GenerationRequest request, int tokens, int kept) {
    return request.rope() == RopePositions.CACHE ? kept : tokens;
  }

  private static String text(String what, int context) {
    return "%s, the model was trained for %,d and gets worse beyond; take an adapter with a longer context, or positions=cache with a budget that fits (h2o, streaming)"
        .formatted(what, context);
  }
}
