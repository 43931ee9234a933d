package org.sinklora.h2o;

/** Picks one normalisation of a model. */
@FunctionalInterface
interface NormOf {
  NormOf INPUT = (model, layer) -> model.layers().get(layer).inputNorm();
  NormOf POST_ATTENTION = (model, layer) -> model.layers().get(layer).postAttentionNorm();
  NormOf FINAL = (model, layer) -> model.finalNorm();

  DecoderNorm of(DecoderModel model, int layer);
}
