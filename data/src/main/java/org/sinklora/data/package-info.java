/**
 * From text to token ids: tokenizers, document readers, token files, evaluation windows and the
 * bundled model.
 */
package org.sinklora.data;
