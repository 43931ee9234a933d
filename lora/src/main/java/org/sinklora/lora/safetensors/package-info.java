/**
 * The safetensors file format: reading by memory map with every offset checked first, streaming and
 * atomic writing, and the weights of a Hugging Face model folder, sharded or not.
 */
package org.sinklora.lora.safetensors;
