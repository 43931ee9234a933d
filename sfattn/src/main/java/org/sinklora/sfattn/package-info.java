/**
 * Sink Fixed Attention and what it is compared with: full attention and LongLoRA's shifted sparse
 * attention, forward and backward.
 *
 * <p>An {@link org.sinklora.sfattn.AttentionPattern} says who sees whom, an {@link
 * org.sinklora.sfattn.Attention} computes it on a device in memory linear in the number of tokens.
 */
package org.sinklora.sfattn;
