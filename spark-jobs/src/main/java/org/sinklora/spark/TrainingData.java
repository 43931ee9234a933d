package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.data.Tokenizer;

/**
 * The opened data sets of a run.
 *
 * @param mix what they are called and weigh
 * @param sets in the same order
 */
record TrainingData(DataMix mix, List<TokenDataSet> sets) {

  /**
   * Opens the sides to train on with the tokenizer of the model.
   *
   * @throws UserException if one can't be read there, or was made for another tokenizer
   */
  static TrainingData open(Place place, DataMix mix, ModelSource model) throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(model.folder(place.storage()))) {
      ModelFit.check(tokenizer, model);
      List<TokenDataSet> sets = new ArrayList<>();
      for (DataMix.Source source : mix.sources()) {
        sets.add(place.open(source.location(), Split.TRAIN, tokenizer, model));
      }
      return new TrainingData(mix, sets);
    }
  }

  /**
   * What the sequences of a run depend on: the contents and, where there are several, their shares.
   */
  JsonNode identity() {
    if (sets.size() == 1) {
      return TextNode.valueOf(hash(0));
    }
    ArrayNode identity = new JsonMapper().createArrayNode();
    for (int i = 0; i < sets.size(); i++) {
      identity.addObject().put("content", hash(i)).put("weight", mix.sources().get(i).weight());
    }
    return identity;
  }

  private String hash(int set) {
    return sets.get(set).info().train().contentHash();
  }
}
