package org.sinklora.lora;

/**
 * What AdamW knows besides the values: one element of each average for each trained value, in the
 * order of {@link LoraAdapter#values}.
 *
 * @param step number of updates made so far
 * @param first running average of the gradient
 * @param second running average of its square
 */
public record OptimizerState(long step, float[] first, float[] second) {}
