package org.sinklora.h2o;

import java.util.List;

/**
 * The weights of one layer on a GPU, in the order of their use.
 *
 * @param inputNorm before attention
 * @param attentionInputs what makes queries, keys and values: three linears, or one
 * @param attentionOutput from the heads back to the residual stream
 * @param postAttentionNorm before the MLP
 * @param mlpInputs gate and up, or one
 * @param mlpOutput back to the residual stream
 */
record CudaLayer(
    CudaNorm inputNorm,
    List<CudaLinear> attentionInputs,
    CudaLinear attentionOutput,
    CudaNorm postAttentionNorm,
    List<CudaLinear> mlpInputs,
    CudaLinear mlpOutput) {}
