package org.sinklora.h2o;

import java.util.List;

/**
 * The weights of one layer, in the order of their use.
 *
 * @param inputNorm before attention
 * @param attentionInputs what makes queries, keys and values: three linears, or one
 * @param attentionOutput from the heads back to the residual stream
 * @param postAttentionNorm before the MLP
 * @param mlpInputs gate and up, or one
 * @param mlpOutput back to the residual stream
 */
record DecoderLayer(
    DecoderNorm inputNorm,
    List<DecoderLinear> attentionInputs,
    DecoderLinear attentionOutput,
    DecoderNorm postAttentionNorm,
    List<DecoderLinear> mlpInputs,
    DecoderLinear mlpOutput) {}
