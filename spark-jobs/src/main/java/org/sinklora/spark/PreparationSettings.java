package org.sinklora.spark;

import java.io.Serializable;
import org.sinklora.data.HeldOutSplit;

/**
 * What decides the result of {@link Prepare}, beside the texts.
 *
 * @param model whose tokenizer is used
 * @param heldOut share of the documents
 * @param minimumCharacters documents shorter than that are left out
 * @param packedLength tokens of a packed sequence; 0 keeps documents as they are
 * @param supervision how conversations are read; null for plain texts
 * @param nearDuplicates Jaccard similarity from which a text counts as another's duplicate; 0: none
 */
record PreparationSettings(
    ModelSource model,
    HeldOutSplit heldOut,
    int minimumCharacters,
    int packedLength,
    Supervision supervision,
    double nearDuplicates)
    implements Serializable {}
