/**
 * NVIDIA GPUs: a small runtime over the CUDA driver, and the operations of {@link
 * org.sinklora.compute.Device} on it.
 *
 * <p>Everything goes through the driver API, NVRTC and cuBLASLt. This is the only package that
 * touches their bindings; kernels of other modules are launched through {@link
 * org.sinklora.compute.cuda.CudaKernel}.
 */
package org.sinklora.compute.cuda;
