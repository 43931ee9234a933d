package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.sinklora.compute.Device;
import org.sinklora.compute.GeluKind;
import org.sinklora.lora.safetensors.ModelWeights;

/**
 * The models in plain loops and double precision, each document by itself: the twin that the real
 * ones are compared with.
 */
final class PlainModel {
  private final ModelConfig config;
  private final Map<String, double[]> base;
  private final Map<String, double[]> own;
  private final LoraConfig lora;

  private PlainModel(
      ModelConfig config, Map<String, double[]> base, Map<String, double[]> own, LoraConfig lora) {
    this.config = config;
    this.base = base;
    this.own = own;
    this.lora = lora;
  }

  static PlainModel read(Path folder, ModelConfig config) throws IOException {
    Map<String, double[]> base = new TreeMap<>();
    try (ModelWeights weights = ModelWeights.open(folder)) {
      for (String name : weights.names()) {
        float[] values = new float[Math.toIntExact(weights.info(name).elements())];
        weights.readFloats(name, 0, values, 0, values.length);
        base.put(name, doubles(values));
      }
    }
    return new PlainModel(config, base, Map.of(), null);
  }

  static double[] doubles(float[] values) {
    double[] doubles = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      doubles[i] = values[i];
    }
    return doubles;
  }

  /**
   * The same with an adapter.
   *
   * @param parameters {@code path.lora_A.weight}, {@code path.lora_B.weight}, and copies of
   *     parameters of the base
   */
  PlainModel with(LoraConfig adapter, Map<String, double[]> parameters) {
    return new PlainModel(config, base, parameters, adapter);
  }

  /** Mean loss of a batch. */
  double loss(TokenBatch batch, AttentionPlan plan) {
    double sum = 0;
    int predictions = 0;
    for (int d = 0; d < batch.documents().count(); d++) {
      int start = batch.documents().start(d);
      int length = batch.documents().length(d);
      double[][] logits = logits(document(batch, d), plan);
      for (int t = 0; t + 1 < length; t++) {
        int target = batch.labels()[start + t + 1];
        if (target != Device.IGNORED) {
          sum += logSumExp(logits[t]) - logits[t][target];
          predictions++;
        }
      }
    }
    return sum / predictions;
  }

  static int[] document(TokenBatch batch, int d) {
    int start = batch.documents().start(d);
    int[] ids = new int[batch.documents().length(d)];
    System.arraycopy(batch.ids(), start, ids, 0, ids.length);
    return ids;
  }

  private static double logSumExp(double[] x) {
    double sum = 0;
    for (double value : x) {
      sum += Math.exp(value);
    }
    return Math.log(sum);
  }

  /** Logits [T, vocabSize] of one document. */
  double[][] logits(int[] ids, AttentionPlan plan) {
    boolean llama = config instanceof LlamaConfig;
    double[] embedding = weight(llama ? "model.embed_tokens.weight" : "gpt_neox.embed_in.weight");
    int hidden = config.hiddenSize();
    double[][] x = new double[ids.length][hidden];
    for (int t = 0; t < ids.length; t++) {
      System.arraycopy(embedding, ids[t] * hidden, x[t], 0, hidden);
    }
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      PlainAttention attention = new PlainAttention(config, plan.pattern(layer));
      if (llama) {
        llamaLayer(x, "model.layers." + layer + ".", attention);
      } else {
        gptNeoXLayer(x, "gpt_neox.layers." + layer + ".", attention);
      }
    }
    double[][] normed = norm(x, llama ? "model.norm" : "gpt_neox.final_layer_norm");
    return linear(normed, headWeight(llama), llama ? "lm_head" : "embed_out");
  }

  private double[] headWeight(boolean llama) {
    String head = llama ? "lm_head.weight" : "embed_out.weight";
    String embedding = llama ? "model.embed_tokens.weight" : "gpt_neox.embed_in.weight";
    if (own.containsKey(head)) {
      return own.get(head);
    }
    if (!config.tieWordEmbeddings()) {
      return base.get(head);
    }
    // PEFT wraps the embedding in a copy, and the head goes on using the original.
    return lora != null && lora.ensureWeightTying() ? weight(embedding) : base.get(embedding);
  }

  private void llamaLayer(double[][] x, String layer, PlainAttention attention) {
    double[][] normed = norm(x, layer + "input_layernorm");
    double[][] q = linear(normed, layer + "self_attn.q_proj");
    double[][] k = linear(normed, layer + "self_attn.k_proj");
    double[][] v = linear(normed, layer + "self_attn.v_proj");
    add(x, linear(attention.of(q, k, v), layer + "self_attn.o_proj"), 1);
    normed = norm(x, layer + "post_attention_layernorm");
    double[][] gate = linear(normed, layer + "mlp.gate_proj");
    double[][] up = linear(normed, layer + "mlp.up_proj");
    for (int t = 0; t < x.length; t++) {
      for (int i = 0; i < up[t].length; i++) {
        up[t][i] *= gate[t][i] / (1 + Math.exp(-gate[t][i]));
      }
    }
    add(x, linear(up, layer + "mlp.down_proj"), 1);
  }

  private void gptNeoXLayer(double[][] x, String layer, PlainAttention attention) {
    GptNeoXConfig neox = (GptNeoXConfig) config;
    double[][] qkv =
        linear(norm(x, layer + "input_layernorm"), layer + "attention.query_key_value");
    double[][] attended = attention.of(part(qkv, 0), part(qkv, 1), part(qkv, 2));
    double[][] mlpOfX = neox.useParallelResidual() ? mlp(x, layer, neox.gelu()) : null;
    add(x, linear(attended, layer + "attention.dense"), 1);
    add(x, mlpOfX != null ? mlpOfX : mlp(x, layer, neox.gelu()), 1);
  }

  private double[][] mlp(double[][] x, String layer, GeluKind gelu) {
    double[][] raised =
        linear(norm(x, layer + "post_attention_layernorm"), layer + "mlp.dense_h_to_4h");
    for (double[] row : raised) {
      for (int i = 0; i < row.length; i++) {
        row[i] = gelu == GeluKind.ERF ? erfGelu(row[i]) : tanhGelu(row[i]);
      }
    }
    return linear(raised, layer + "mlp.dense_4h_to_h");
  }

  /** Queries (0), keys (1) or values (2); a head has its three side by side. */
  private double[][] part(double[][] qkv, int part) {
    int dim = config.headDim();
    double[][] out = new double[qkv.length][config.hiddenSize()];
    for (int t = 0; t < qkv.length; t++) {
      for (int head = 0; head < config.numAttentionHeads(); head++) {
        System.arraycopy(qkv[t], (3 * head + part) * dim, out[t], head * dim, dim);
      }
    }
    return out;
  }

  private static double tanhGelu(double x) {
    return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
  }

  /** {@code x Φ(x)} by the power series of the error function. */
  private static double erfGelu(double x) {
    double z = x / Math.sqrt(2);
    if (Math.abs(z) > 4.5) {
      return x > 0 ? x : 0;
    }
    double term = z;
    double sum = 0;
    for (int n = 0; n < 100; n++) {
      sum += term / (2 * n + 1);
      term *= -z * z / (n + 1);
    }
    return 0.5 * x * (1 + 2 / Math.sqrt(Math.PI) * sum);
  }

  /** The adapter's own value, else the base's; null if there is no such parameter. */
  private double[] weight(String name) {
    return own.getOrDefault(name, base.get(name));
  }

  private double[][] norm(double[][] x, String path) {
    boolean centred = config instanceof GptNeoXConfig;
    double epsilon =
        config instanceof GptNeoXConfig neox
            ? neox.layerNormEps()
            : ((LlamaConfig) config).rmsNormEps();
    double[] weight = weight(path + ".weight");
    double[] bias = centred ? weight(path + ".bias") : new double[weight.length];
    double[][] y = new double[x.length][weight.length];
    for (int t = 0; t < x.length; t++) {
      double mean = 0;
      for (double value : x[t]) {
        mean += centred ? value / weight.length : 0;
      }
      double squares = 0;
      for (double value : x[t]) {
        squares += (value - mean) * (value - mean) / weight.length;
      }
      for (int i = 0; i < weight.length; i++) {
        y[t][i] = (x[t][i] - mean) / Math.sqrt(squares + epsilon) * weight[i] + bias[i];
      }
    }
    return y;
  }

  private double[][] linear(double[][] x, String path) {
    return linear(x, weight(path + ".weight"), path);
  }

  private double[][] linear(double[][] x, double[] weight, String path) {
    double[][] y = times(x, weight);
    double[] bias = weight(path + ".bias");
    if (bias != null) {
      for (double[] row : y) {
        for (int i = 0; i < row.length; i++) {
          row[i] += bias[i];
        }
      }
    }
    double[] a = own.get(path + ".lora_A.weight");
    if (a != null) {
      double rank = a.length / (double) x[0].length;
      double scale = lora.alphaOf(path) / (lora.useRslora() ? Math.sqrt(rank) : rank);
      add(y, times(times(x, a), own.get(path + ".lora_B.weight")), scale);
    }
    return y;
  }

  /** x Wᵀ. */
  private static double[][] times(double[][] x, double[] w) {
    int in = x[0].length;
    double[][] y = new double[x.length][w.length / in];
    for (int t = 0; t < x.length; t++) {
      for (int o = 0; o < y[t].length; o++) {
        double sum = 0;
        for (int i = 0; i < in; i++) {
          sum += w[o * in + i] * x[t][i];
        }
        y[t][o] = sum;
      }
    }
    return y;
  }

  private static void add(double[][] x, double[][] y, double factor) {
    for (int t = 0; t < x.length; t++) {
      for (int i = 0; i < x[t].length; i++) {
        x[t][i] += factor * y[t][i];
      }
    }
  }
}
