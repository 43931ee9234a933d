/**
 * Devices, their tensors and their kernels.
 *
 * <p>Model code talks to a {@link org.sinklora.compute.Device}; this package knows nothing of
 * models. Every kernel is a pair of forward and backward on tensors that the caller allocated.
 */
package org.sinklora.compute;
