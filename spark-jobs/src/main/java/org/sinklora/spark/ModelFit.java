package org.sinklora.spark;

import org.sinklora.data.Tokenizer;

/** Whether a tokenizer belongs to a model. */
final class ModelFit {
  private ModelFit() {}

  /**
   * @throws UserException if the tokenizer has ids that the model has not
   */
  static void check(Tokenizer tokenizer, ModelSource model) {
    int rows = model.config().vocabSize();
    if (tokenizer.vocabularySize() > rows) {
      throw new UserException(
          "The tokenizer of %s has %,d ids, but the model's embedding only %,d; put the tokenizer.json of the same model into the folder"
              .formatted(model.location(), tokenizer.vocabularySize(), rows));
    }
  }
}
