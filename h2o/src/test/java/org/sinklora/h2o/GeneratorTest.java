package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;

class GeneratorTest {
  private final CpuDevice device = new CpuDevice(2);
  private CausalLm model;
  private Tokenizer tokenizer;
  private Generator generator;

  @BeforeEach
  void open() throws IOException {
    model = CausalLm.load(BundledModel.folder(), device);
    tokenizer = Tokenizer.load(BundledModel.folder());
    generator = Generator.builder(model).optTokenizer(tokenizer).build();
  }

  @AfterEach
  void close() {
    generator.close();
    tokenizer.close();
    model.close();
    device.close();
  }

  private int[] prompt(String text) {
    int[] ids = tokenizer.encode(text);
    int[] prompt = new int[ids.length + 1];
    prompt[0] = tokenizer.bosId().orElseThrow();
    System.arraycopy(ids, 0, prompt, 1, ids.length);
    return prompt;
  }

  private GenerationRequest.Builder java() {
    return GenerationRequest.builder(prompt("public final class IntList {\n  private int[]"))
        .optMaxTokens(40);
  }

  @Test
  void writesJava() {
    int[] prompt = prompt("    int sum = 0;\n    for (int i = 0; i < values.length;");
    GenerationResult result =
        generator.generate(GenerationRequest.builder(prompt).optMaxTokens(8).build());
    assertEquals(FinishReason.LENGTH, result.finish(), result.error());
    assertEquals(8, result.tokens().length);
    assertEquals(tokenizer.decode(result.tokens()), result.text());
    assertTrue(result.text().startsWith(" i++) {"), result.text());
  }

  @Test
  void aBatchOfUnequalPromptsAndPoliciesEqualsItsSequencesAlone() {
    List<GenerationRequest> requests =
        List.of(
            java().build(),
            java().optPolicy(KvCachePolicy.h2o(8, 8)).optMaxTokens(25).build(),
            GenerationRequest.builder(prompt("It was a dark"))
                .optPolicy(KvCachePolicy.streaming(2, 10))
                .optSampling(Sampling.of(0.8, 40, 0.95, 7))
                .build(),
            java()
                .optPolicy(KvCachePolicy.snapKv(12, 4))
                .optCachePrecision(CachePrecision.INT8)
                .build());
    List<GenerationResult> together = generator.generate(requests);
    for (int i = 0; i < requests.size(); i++) {
      GenerationResult alone = generator.generate(requests.get(i));
      assertArrayEquals(alone.tokens(), together.get(i).tokens(), "sequence " + i);
      assertEquals(alone.text(), together.get(i).text());
    }
  }

  @Test
  void theSeedDecides() {
    Sampling sampling = Sampling.of(1, 0, 0.9, 3);
    int[] once = generator.generate(java().optSampling(sampling).build()).tokens();
    int[] again = generator.generate(java().optSampling(sampling).build()).tokens();
    int[] other =
        generator.generate(java().optSampling(Sampling.of(1, 0, 0.9, 4)).build()).tokens();
    assertArrayEquals(once, again);
    assertFalse(Arrays.equals(once, other));
  }

  @Test
  void stopStringsAndIdsEndTheAnswer() {
    String whole = generator.generate(java().build()).text();
    String stop = whole.substring(10, 14);
    StringBuilder streamed = new StringBuilder();
    GenerationResult result =
        generator.generate(
            java()
                .optStopStrings(List.of(stop, "never to come"))
                .optListener(token -> streamed.append(token.text()) != null)
                .build());
    assertEquals(FinishReason.STOP_STRING, result.finish());
    assertEquals(whole.substring(0, whole.indexOf(stop)), result.text());
    assertEquals(result.text(), streamed.toString());

    int[] tokens = generator.generate(java().build()).tokens();
    GenerationResult byId = generator.generate(java().optStopIds(List.of(tokens[5])).build());
    assertEquals(FinishReason.STOP_ID, byId.finish());
    assertTrue(byId.tokens().length <= 6);
  }

  @Test
  void streamsWhatTheResultHolds() {
    List<Integer> tokens = new ArrayList<>();
    StringBuilder text = new StringBuilder();
    GenerationResult result =
        generator.generate(
            GenerationRequest.builder(prompt("Grüße, 世界"))
                .optSampling(Sampling.of(1.5, 0, 1, 1))
                .optListener(
                    token -> {
                      tokens.add(token.token());
                      text.append(token.text());
                      return true;
                    })
                .build());
    assertArrayEquals(result.tokens(), tokens.stream().mapToInt(i -> i).toArray());
    assertEquals(result.text(), text.toString());
    assertEquals(tokenizer.decode(result.tokens()), result.text());
  }

  @Test
  void cancelsInTheMiddleWhileOthersGoOn() {
    List<GenerationResult> results =
        generator.generate(
            List.of(
                java().optListener(token -> token.index() < 4).build(),
                java().optCancelled(() -> true).build(),
                java().build()));
    assertEquals(FinishReason.CANCELLED, results.get(0).finish());
    assertEquals(5, results.get(0).tokens().length);
    assertEquals(FinishReason.CANCELLED, results.get(1).finish());
    assertEquals(FinishReason.LENGTH, results.get(2).finish());
  }

  @Test
  void aFailingSequenceLeavesTheOthersAlone() {
    GenerationRequest good = java().build();
    List<GenerationResult> results =
        generator.generate(
            List.of(
                GenerationRequest.builder().build(),
                GenerationRequest.builder(1, 5000).build(),
                java().optAdapter("nobody").build(),
                GenerationRequest.builder(new Random(1).ints(600, 3, 2000).toArray()).build(),
                java().optPolicy(KvCachePolicy.parse("full:limit=20")).build(),
                java()
                    .optListener(
                        token -> {
                          throw new IllegalStateException("broken pipe");
                        })
                    .build(),
                good));
    List<String> expected =
        List.of(
            "The prompt is empty",
            "token 5000, but the model's vocabulary is [0, 2048)",
            "no adapter 'nobody'",
            "limit of 512 tokens",
            "limit of 20 tokens; set full:limit=N",
            "broken pipe");
    for (int i = 0; i < expected.size(); i++) {
      assertEquals(FinishReason.FAILED, results.get(i).finish(), "sequence " + i);
      assertTrue(results.get(i).error().contains(expected.get(i)), results.get(i).error());
    }
    assertEquals(FinishReason.LENGTH, results.get(6).finish());
    assertArrayEquals(generator.generate(good).tokens(), results.get(6).tokens());
  }

  @Test
  void warnsOfTextPastTheContext() {
    KvCachePolicy h2o = KvCachePolicy.h2o(50, 50);
    int[] tooLong = new Random(1).ints(600, 3, 2000).toArray();
    GenerationRequest past =
        GenerationRequest.builder(tooLong).optPolicy(h2o).optMaxTokens(2).build();
    GenerationResult result = generator.generate(past);
    assertEquals(FinishReason.LENGTH, result.finish(), result.error());
    assertTrue(result.warning().contains("prompt has 600 tokens"), result.warning());
    assertTrue(result.warning().contains("512"), result.warning());
    assertTrue(result.warning().contains("positions=cache"), result.warning());
    assertEquals(result.warning(), generator.warning(past));

    GenerationRequest.Builder byPlace =
        GenerationRequest.builder(tooLong).optRopePositions(RopePositions.CACHE).optMaxTokens(2);
    assertNull(generator.generate(byPlace.optPolicy(h2o).build()).warning());
    // 520 places are too many wherever the text began.
    GenerationRequest wide = byPlace.optPolicy(KvCachePolicy.h2o(260, 260)).build();
    assertTrue(generator.generate(wide).warning().contains("512"));

    GenerationRequest ends =
        GenerationRequest.builder(Arrays.copyOf(tooLong, 505))
            .optPolicy(h2o)
            .optMaxTokens(20)
            .build();
    assertNull(generator.warning(ends));
    String ofAnswer = generator.generate(ends).warning();
    assertTrue(ofAnswer.contains("Prompt and answer have 524 tokens"), ofAnswer);
    assertNull(generator.generate(java().build()).warning());
  }

  @Test
  void logprobsAreThoseOfTheModel() {
    GenerationResult result = generator.generate(java().optLogprobs(5).optMaxTokens(3).build());
    assertEquals(3, result.logprobs().size());
    for (GeneratedToken token : result.logprobs()) {
      assertEquals(5, token.alternatives().size());
      assertEquals(token.token(), token.alternatives().get(0).token());
      assertEquals(token.logprob(), token.alternatives().get(0).logprob());
      assertTrue(token.logprob() < 0);
    }
  }

  @Test
  void biasAndPenaltyChangeTheChoice() {
    int[] plain = generator.generate(java().build()).tokens();
    Sampling banned = Sampling.greedy().withLogitBias(Map.of(plain[0], -100f));
    assertNotEquals(plain[0], generator.generate(java().optSampling(banned).build()).tokens()[0]);
    Sampling penalty = Sampling.greedy().withRepetitionPenalty(1e5);
    int[] fresh = generator.generate(java().optSampling(penalty).build()).tokens();
    assertEquals(fresh.length, Arrays.stream(fresh).distinct().count());
  }

  @Test
  void explainsWhatWasKept() {
    GenerationResult result =
        generator.generate(java().optPolicy(KvCachePolicy.h2o(4, 6)).optExplain(true).build());
    CacheReport report = result.cacheReport();
    assertEquals(6 * 4, report.heads().size());
    for (CacheReport.Head head : report.heads()) {
      assertEquals(10, head.positions().length);
      assertEquals(report.tokens().length - 1, head.positions()[9]);
    }
    List<String> pieces =
        Arrays.stream(report.tokens()).mapToObj(id -> tokenizer.decode(new int[] {id})).toList();
    String html = report.toHtml(pieces);
    assertTrue(html.contains("\"policy\":\"h2o:heavy=4,recent=6\""), html);
    assertFalse(html.contains("/*REPORT*/null"));
  }

  @Test
  void aLongRestBehindAKnownPrefixIsReadInChunks() {
    KvCachePolicy full = KvCachePolicy.parse("full:limit=2000");
    int[] longer = new Random(2).ints(900, 3, 2000).toArray();
    GenerationRequest.Builder request =
        GenerationRequest.builder(longer).optPolicy(full).optMaxTokens(10).optLogprobs(3);
    try (Generator reusing = Generator.builder(model).optPrefixCacheBytes(1 << 28).build()) {
      int[] beginning = Arrays.copyOf(longer, 100);
      reusing.generate(
          GenerationRequest.builder(beginning).optPolicy(full).optMaxTokens(1).build());
      GenerationResult reused = reusing.generate(request.build());
      GenerationResult anew = generator.generate(request.build());
      assertEquals(100, reused.reusedTokens());
      assertArrayEquals(anew.tokens(), reused.tokens());
      for (int i = 0; i < anew.logprobs().size(); i++) {
        assertEquals(anew.logprobs().get(i).logprob(), reused.logprobs().get(i).logprob(), 1e-4);
      }
      // Once read, it is a known prefix itself.
      int[] further = concatenated(longer, anew.tokens());
      GenerationRequest next =
          GenerationRequest.builder(further).optPolicy(full).optMaxTokens(1).build();
      assertEquals(909, reusing.generate(next).reusedTokens());
    }
  }

  private static int[] concatenated(int[] one, int[] other) {
    int[] all = Arrays.copyOf(one, one.length + other.length);
    System.arraycopy(other, 0, all, one.length, other.length);
    return all;
  }

  @Test
  void aKnownPrefixIsNotReadAgain() {
    try (Generator reusing =
        Generator.builder(model).optTokenizer(tokenizer).optPrefixCacheBytes(1 << 26).build()) {
      int[] system = prompt("/** A list of ints. */\npublic final class IntList {");
      int[] longer = prompt("/** A list of ints. */\npublic final class IntList {\n  private int");
      reusing.generate(GenerationRequest.builder(system).optMaxTokens(5).build());
      GenerationResult reused =
          reusing.generate(GenerationRequest.builder(longer).optMaxTokens(30).build());
      GenerationResult anew =
          generator.generate(GenerationRequest.builder(longer).optMaxTokens(30).build());
      assertTrue(reused.reusedTokens() > 0, "reused " + reused.reusedTokens());
      assertArrayEquals(anew.tokens(), reused.tokens());
      assertEquals(0, anew.reusedTokens());
      GenerationResult otherPolicy =
          reusing.generate(
              GenerationRequest.builder(longer).optPolicy(KvCachePolicy.h2o(8, 8)).build());
      assertEquals(0, otherPolicy.reusedTokens());
    }
  }
}
