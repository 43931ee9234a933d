package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/**
 * What an adapter adds to a linear: {@code scale · B A x}.
 *
 * @param a lora_A, [r, in]
 * @param b lora_B, [out, r]
 * @param scale α/r, or α/√r with rsLoRA
 */
public record LowRankUpdate(Tensor a, Tensor b, float scale) {}
