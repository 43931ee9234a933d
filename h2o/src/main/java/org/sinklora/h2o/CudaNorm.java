package org.sinklora.h2o;

import org.sinklora.compute.cuda.CudaTensor;

/**
 * A normalisation on a GPU: layer norm, or RMS norm where there is no bias.
 *
 * @param weight [hidden] float32
 * @param bias [hidden] float32; null for RMS norm
 * @param epsilon added to the mean square
 */
record CudaNorm(CudaTensor weight, CudaTensor bias, float epsilon) {}
