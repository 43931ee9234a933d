package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyTextTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "full",
        "full:limit=8192",
        "streaming:sinks=4,recent=1024",
        "h2o:heavy=0.1,recent=0.1",
        "h2o:heavy=8,recent=16",
        "snapkv:budget=512,window=32"
      })
  void aPolicyIsWrittenAsItIsRead(String text) {
    assertEquals(text, KvCachePolicy.parse(text).toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "lru:recent=4; no KV-cache policy 'lru'; known are full, streaming",
        "h2o; lacks heavy; known are",
        "h2o:heavy=4; lacks recent; known are",
        "h2o:heavy=4,recent=4,sinks=1; no parameter sinks; known are",
        "h2o:heavy=0,recent=4; heavy is 0; at least 1",
        "h2o:heavy=4,recent=0; recent is 0; at least 1",
        "h2o:heavy=1.5,recent=4; heavy is a ratio; 1.5",
        "h2o:heavy=x,recent=4; heavy is neither; x",
        "h2o:heavy=-3,recent=4; not a number of tokens; -3",
        "h2o:heavy=4,heavy=4; gives heavy twice; heavy",
        "h2o:heavy; not parameter=value; known are",
        "streaming:sinks=4,recent=0; recent is 0; at least 1",
        "snapkv:budget=32,window=32; budget is 32; window, which is 32",
        "snapkv:budget=32,window=0; window is 0; at least 1",
        "full:limit=0; limit is 0; from 1",
      })
  void whatMakesNoSenseIsNamed(String text, String first, String second) {
    Exception e = assertThrows(IllegalArgumentException.class, () -> KvCachePolicy.parse(text));
    assertTrue(e.getMessage().contains(first), e.getMessage());
    assertTrue(e.getMessage().contains(second), e.getMessage());
  }

  @Test
  void ratiosAreOfThePrompt() {
    KvCachePolicy policy = KvCachePolicy.parse("h2o:heavy=0.1,recent=0.25").resolve(200);
    assertEquals("h2o:heavy=20,recent=50", policy.toString());
    assertEquals(70, policy.capacity());
    assertEquals("h2o:heavy=1,recent=1", KvCachePolicy.h2o(0.1, 0.1).resolve(3).toString());
  }
}
