package org.sinklora.h2o;

import org.sinklora.lora.ModelConfig;

/** A model as a {@link DecodeEngine} reads it. Sequences of the same one share its weights. */
sealed interface ServedModel permits DecoderModel, CudaModel {
  /** The model's configuration. */
  ModelConfig config();
}
