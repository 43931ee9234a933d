package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Path;
import org.sinklora.compute.RopeTable;
import org.sinklora.lora.safetensors.ModelWeights;

/** A Llama forward pass of plain loops in double precision, to decide which RoPE is right. */
final class PlainLlama {
  private final LlamaConfig config;
  private final ModelWeights weights;

  private PlainLlama(LlamaConfig config, ModelWeights weights) {
    this.config = config;
    this.weights = weights;
  }

  /** Logits [T, vocabSize] with full causal attention. */
  static double[][] logits(Path folder, LlamaConfig config, long[] ids) throws IOException {
    try (ModelWeights weights = ModelWeights.open(folder)) {
      return new PlainLlama(config, weights).forward(ids);
    }
  }

  private double[][] forward(long[] ids) {
    RopeTable rope =
        new RopeTable(
            config.rope().inverseFrequencies(config.rotaryDim(), ids.length),
            config.rope().attentionScaling(),
            ids.length);
    float[] embedding = floats("model.embed_tokens.weight");
    int hidden = config.hiddenSize();
    double[][] x = new double[ids.length][hidden];
    for (int t = 0; t < ids.length; t++) {
      for (int i = 0; i < hidden; i++) {
        x[t][i] = embedding[(int) ids[t] * hidden + i];
      }
    }
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      String prefix = "model.layers." + layer + ".";
      double[][] normed = norm(x, prefix + "input_layernorm.weight");
      double[][] q = linear(normed, prefix + "self_attn.q_proj.weight");
      double[][] k = linear(normed, prefix + "self_attn.k_proj.weight");
      double[][] v = linear(normed, prefix + "self_attn.v_proj.weight");
      rotate(q, rope);
      rotate(k, rope);
      add(x, linear(attend(q, k, v), prefix + "self_attn.o_proj.weight"));
      normed = norm(x, prefix + "post_attention_layernorm.weight");
      double[][] gate = linear(normed, prefix + "mlp.gate_proj.weight");
      double[][] up = linear(normed, prefix + "mlp.up_proj.weight");
      for (int t = 0; t < ids.length; t++) {
        for (int i = 0; i < up[t].length; i++) {
          up[t][i] *= gate[t][i] / (1 + Math.exp(-gate[t][i]));
        }
      }
      add(x, linear(up, prefix + "mlp.down_proj.weight"));
    }
    return linear(norm(x, "model.norm.weight"), "lm_head.weight");
  }

  private float[] floats(String name) {
    float[] values = new float[(int) weights.info(name).elements()];
    weights.readFloats(name, 0, values, 0, values.length);
    return values;
  }

  private double[][] norm(double[][] x, String name) {
    float[] weight = floats(name);
    double[][] y = new double[x.length][weight.length];
    for (int t = 0; t < x.length; t++) {
      double squares = 0;
      for (double value : x[t]) {
        squares += value * value;
      }
      double scale = 1 / Math.sqrt(squares / weight.length + config.rmsNormEps());
      for (int i = 0; i < weight.length; i++) {
        y[t][i] = x[t][i] * scale * weight[i];
      }
    }
    return y;
  }

  private double[][] linear(double[][] x, String name) {
    float[] weight = floats(name);
    int in = x[0].length;
    double[][] y = new double[x.length][weight.length / in];
    for (int t = 0; t < x.length; t++) {
      for (int o = 0; o < y[t].length; o++) {
        double sum = 0;
        for (int i = 0; i < in; i++) {
          sum += weight[o * in + i] * x[t][i];
        }
        y[t][o] = sum;
      }
    }
    return y;
  }

  private void rotate(double[][] x, RopeTable rope) {
    int half = config.headDim() / 2;
    for (int t = 0; t < x.length; t++) {
      for (int head = 0; head < x[t].length; head += 2 * half) {
        for (int i = 0; i < half; i++) {
          double cos = rope.cos()[t * half + i];
          double sin = rope.sin()[t * half + i];
          double a = x[t][head + i];
          double b = x[t][head + half + i];
          x[t][head + i] = a * cos - b * sin;
          x[t][head + half + i] = b * cos + a * sin;
        }
      }
    }
  }

  private double[][] attend(double[][] q, double[][] k, double[][] v) {
    int dim = config.headDim();
    int group = config.numAttentionHeads() / config.numKeyValueHeads();
    double[][] out = new double[q.length][q[0].length];
    for (int t = 0; t < q.length; t++) {
      for (int head = 0; head < config.numAttentionHeads(); head++) {
        int at = head / group * dim;
        double[] p = new double[t + 1];
        double sum = 0;
        for (int j = 0; j <= t; j++) {
          double dot = 0;
          for (int i = 0; i < dim; i++) {
            dot += q[t][head * dim + i] * k[j][at + i];
          }
          p[j] = Math.exp(dot / Math.sqrt(dim));
          sum += p[j];
        }
        for (int j = 0; j <= t; j++) {
          for (int i = 0; i < dim; i++) {
            out[t][head * dim + i] += p[j] / sum * v[j][at + i];
          }
        }
      }
    }
    return out;
  }

  private static void add(double[][] x, double[][] y) {
    for (int t = 0; t < x.length; t++) {
      for (int i = 0; i < x[t].length; i++) {
        x[t][i] += y[t][i];
      }
    }
  }
}
