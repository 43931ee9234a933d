/**
 * Causal language models, LoRA adapters and their training.
 *
 * <p>{@link org.sinklora.lora.CausalLm} reads a Hugging Face model folder, {@link
 * org.sinklora.lora.LoraAdapter} a PEFT adapter, {@link org.sinklora.lora.LoraTrainer} trains one.
 * Every operation has an explicit forward and backward on tensors of a {@link
 * org.sinklora.compute.Device}; the blocks read from top to bottom.
 */
package org.sinklora.lora;
