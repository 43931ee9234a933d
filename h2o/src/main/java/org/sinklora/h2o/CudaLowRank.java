package org.sinklora.h2o;

import org.sinklora.compute.cuda.CudaTensor;

/**
 * An adapter's low-rank update of a linear on a GPU, unmerged: {@code y += B (A x)}.
 *
 * @param a [rank, in] float32, the adapter's scale in it
 * @param b [out, rank] float32
 * @param rank inner dimension
 */
record CudaLowRank(CudaTensor a, CudaTensor b, int rank) {}
