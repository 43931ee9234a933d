package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RopeConfigTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Path EXPECTED = FormatFixtures.path("rope/expected.safetensors");

  private static LlamaConfig fixture(String name) {
    JsonFields fields = JsonFields.read(FormatFixtures.path("rope/config_" + name + ".json"));
    return (LlamaConfig) ModelConfig.parse(fields.json(), name);
  }

  /** A small Llama with these fields besides. */
  private static LlamaConfig llama(String fields) {
    String json =
        "{'model_type':'llama','hidden_size':64,'num_attention_heads':4,"
            + "'max_position_embeddings':64"
            + (fields.isEmpty() ? "" : "," + fields)
            + "}";
    try {
      return (LlamaConfig)
          ModelConfig.parse((ObjectNode) JSON.readTree(json.replace('\'', '"')), "test.json");
    } catch (JsonProcessingException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"default", "linear4", "dynamic4", "yarn4", "llama3"})
  void frequenciesAreThoseOfTransformers(String name) throws IOException {
    // Stored after a forward pass over 160 positions: for "dynamic" they are those of length 160.
    float[] expected = FormatFixtures.floats(EXPECTED, "inv_freq_" + name);
    float[] actual = fixture(name).rope().inverseFrequencies(16, 160);
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      // The power functions of torch and Java may differ in the last bit.
      assertEquals(expected[i], actual[i], Math.ulp(expected[i]), "pair " + i);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"default", "linear4", "dynamic4", "yarn4", "llama3"})
  void logitsAreThoseOfTransformers(String name) throws IOException {
    long[] ids = FormatFixtures.longs(EXPECTED, "input_ids");
    float[] expected = FormatFixtures.floats(EXPECTED, "logits_" + name);
    int[] tokens = Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
    double[][] actual =
        PlainModel.read(FormatFixtures.path("rope/base"), fixture(name))
            .logits(tokens, AttentionPlan.FULL);
    for (int t = 0; t < ids.length; t++) {
      for (int i = 0; i < 259; i++) {
        assertEquals(expected[t * 259 + i], actual[t][i], 1e-5, "position " + t + ", token " + i);
      }
    }
  }

  @Test
  void dynamicChangesNothingUpToTheTrainedLength() {
    RopeConfig rope = fixture("dynamic4").rope();
    assertArrayEquals(
        RopeConfig.unscaled(10_000).inverseFrequencies(16, 64), rope.inverseFrequencies(16, 64));
    assertFalse(
        rope.inverseFrequencies(16, 64)[1] == rope.inverseFrequencies(16, 65)[1],
        "65 positions exceed the trained 64");
  }

  @Test
  void bothFormsMeanTheSame() {
    RopeConfig linear = RopeConfig.linear(20_000, 4);
    assertEquals(
        linear, llama("'rope_theta':20000,'rope_scaling':{'type':'linear','factor':4}").rope());
    assertEquals(
        linear, llama("'rope_theta':2e4,'rope_scaling':{'rope_type':'linear','factor':4}").rope());
    assertEquals(
        linear,
        llama("'rope_parameters':{'rope_type':'linear','factor':4,'rope_theta':20000}").rope());
    assertEquals(RopeConfig.unscaled(10_000), llama("").rope());
    assertEquals(RopeConfig.unscaled(5e5), llama("'rope_theta':500000.0").rope());
    assertEquals(RopeConfig.unscaled(10_000), llama("'rope_scaling':null").rope());
    assertEquals(RopeConfig.unscaled(10_000), llama("'rope_scaling':{'type':'default'}").rope());
  }

  @Test
  void yarnHasThePapersDefaultsAndTheOptions() {
    YarnScaling plain =
        assertInstanceOf(
            YarnScaling.class,
            llama("'rope_scaling':{'rope_type':'yarn','factor':4}").rope().scaling());
    assertEquals(YarnScaling.of(4, 64), plain);
    assertEquals((float) (0.1 * Math.log(4) + 1), plain.attentionScaling());
    RopeConfig full =
        llama(
                "'rope_scaling':{'type':'yarn','factor':40,'mscale':1.0,'mscale_all_dim':0.5,"
                    + "'beta_fast':16,'beta_slow':2,'truncate':false,"
                    + "'original_max_position_embeddings':32}")
            .rope();
    double expected = (0.1 * Math.log(40) + 1) / (0.05 * Math.log(40) + 1);
    assertEquals(new YarnScaling(40, 32, 16, 2, false, expected), full.scaling());
    assertEquals(
        1.5f,
        llama("'rope_scaling':{'type':'yarn','factor':4,'attention_factor':1.5}")
            .rope()
            .attentionScaling());
  }

  @ParameterizedTest
  @ValueSource(strings = {"default", "linear4", "dynamic4", "yarn4", "llama3"})
  void whatIsWrittenIsRead(String name) {
    RopeConfig rope = fixture(name).rope();
    for (String form :
        new String[] {
          "", "'rope_theta':1234", "'rope_parameters':{'rope_type':'default','rope_theta':1234}"
        }) {
      LlamaConfig before = llama(form);
      ObjectNode written = before.json();
      rope.writeTo(written);
      assertEquals(rope, ModelConfig.parse(written, "written").rope());
      assertEquals(form.contains("rope_parameters"), written.has("rope_parameters"));
      assertEquals(form.contains("rope_parameters"), !written.has("rope_scaling"));
    }
  }

  @Test
  void anExtendedModelKeepsTheFormOfItsBase() {
    ModelConfig extended =
        llama("'rope_theta':10000.0,'unknown':7")
            .withContext(256, RopeConfig.unscaled(10_000).extendedLinearly(4));
    assertEquals(256, extended.maxPositionEmbeddings());
    assertEquals(
        "{\"type\":\"linear\",\"factor\":4.0}", extended.json().get("rope_scaling").toString());
    assertEquals(7, extended.json().get("unknown").asInt());
    ModelConfig twice = extended.withContext(512, extended.rope().extendedLinearly(2));
    assertEquals(new RopeScaling.Linear(8), twice.rope().scaling());
    assertThrows(ModelFormatException.class, () -> fixture("llama3").rope().extendedLinearly(2));
    assertThrows(
        ModelFormatException.class,
        () -> fixture("dynamic4").withContext(128, fixture("dynamic4").rope()));
  }

  @Test
  void yarnAndDynamicStartFromTheTrainedLength() {
    ModelConfig plain = fixture("default");
    int trained = plain.maxPositionEmbeddings();
    ModelConfig yarn = plain.withContext(4 * trained, plain.rope().extendedByYarn(4, trained));
    ModelConfig read = ModelConfig.parse(yarn.json(), "config.json");
    assertEquals(YarnScaling.of(4, trained), read.rope().scaling());
    assertEquals(4 * trained, read.contextLength());
    ModelConfig dynamic = plain.withContext(trained, plain.rope().extendedDynamically(4, trained));
    read = ModelConfig.parse(dynamic.json(), "config.json");
    assertEquals(new RopeScaling.DynamicNtk(4, trained), read.rope().scaling());
    assertEquals(trained, read.maxPositionEmbeddings());
    assertEquals(4 * trained, read.contextLength());
    assertThrows(ModelFormatException.class, () -> yarn.rope().extendedDynamically(2, trained));
    for (ModelConfig scaled : new ModelConfig[] {yarn, dynamic}) {
      assertThrows(ModelFormatException.class, () -> scaled.rope().extendedByYarn(2, trained));
    }
    assertEquals(
        new RopeScaling.DynamicNtk(6, trained),
        dynamic.rope().extendedDynamically(6, trained).scaling());
    assertThrows(
        ModelFormatException.class, () -> dynamic.rope().extendedDynamically(6, trained + 1));
  }

  @Test
  void gptNeoXKeepsItsNamesAndAWholeHead() {
    ModelConfig base =
        ModelConfig.parse(
            JSON.createObjectNode()
                .put("model_type", "gpt_neox")
                .put("hidden_size", 64)
                .put("num_attention_heads", 4)
                .put("rotary_pct", 0.5)
                .put("rotary_emb_base", 5000),
            "neox");
    assertEquals(8, base.rotaryDim());
    assertEquals(5000, base.rope().theta());
    ModelConfig extended = base.withContext(4096, base.rope().extendedLinearly(2));
    assertEquals(base.rope().extendedLinearly(2), extended.rope());
    assertEquals(0.5, extended.json().get("rotary_pct").asDouble());
    ModelConfig whole = base.withContext(2048, RopeConfig.unscaled(10_000));
    assertEquals(16, whole.rotaryDim());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'rope_scaling':{'type':'longrope','factor':4} | longrope",
        "'rope_scaling':{'rope_type':'su'} | su",
        "'rope_scaling':{'rope_type':'linear','factor':4,'short_factor':[1.0]} | short_factor",
        "'rope_scaling':{'rope_type':'dynamic','alpha':1000,'factor':1} | alpha",
        "'rope_scaling':{'rope_type':'default','mrope_section':[1]} | mrope_section",
        "'rope_parameters':{'full_attention':{'rope_type':'default'}} | full_attention",
        "'rope_scaling':{'type':'linear'} | factor is absent",
        "'rope_scaling':{'type':'linear','factor':'4'} | factor is \"4\"",
        "'rope_scaling':{'type':'linear','factor':0.5} | factor is 0.5",
        "'rope_scaling':{'type':'linear','factor':-1} | factor is -1",
        "'rope_scaling':{'type':5} | type is 5",
        "'rope_scaling':4 | rope_scaling is 4",
        "'rope_scaling':{'rope_type':'llama3','factor':8} | low_freq_factor is absent",
        "'rope_scaling':{'rope_type':'llama3','factor':8,'low_freq_factor':4,'high_freq_factor':1}"
            + "| low < high",
        "'rope_theta':0 | rope_theta is 0",
        "'rope_theta':null,'partial_rotary_factor':0.5 | partial_rotary_factor",
        "'head_dim':15 | rotary dimension of 15",
      },
      quoteCharacter = '`')
  void whatIsNotSupportedIsNamed(String fields, String expected) {
    ModelFormatException refusal = assertThrows(ModelFormatException.class, () -> llama(fields));
    assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
  }
}
