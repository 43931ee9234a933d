package org.sinklora.h2o;

/** Picks one linear of a model. */
@FunctionalInterface
interface LinearOf {
  LinearOf ATTENTION_INPUT =
      (model, layer, i) -> model.layers().get(layer).attentionInputs().get(i);
  LinearOf ATTENTION_OUTPUT = (model, layer, i) -> model.layers().get(layer).attentionOutput();
  LinearOf MLP_INPUT = (model, layer, i) -> model.layers().get(layer).mlpInputs().get(i);
  LinearOf MLP_OUTPUT = (model, layer, i) -> model.layers().get(layer).mlpOutput();
  LinearOf HEAD = (model, layer, i) -> model.head();

  DecoderLinear of(DecoderModel model, int layer, int index);
}
