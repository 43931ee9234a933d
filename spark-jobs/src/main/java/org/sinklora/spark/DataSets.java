package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.TokenFile;
import org.sinklora.data.TokenStream;
import org.sinklora.data.Tokenizer;

/**
 * Opens what {@code --data} names, as far as that needs no Spark: a data set of token files, one
 * token file, or texts that are tokenised now.
 */
final class DataSets {
  /** What text files in a folder end with; 'prepare' takes others. */
  private static final List<String> EXTENSIONS = List.of(".txt", ".md");

  private static final String TEXT_FIELD = "text";

  private final Storage storage;
  private final String data;

  DataSets(Storage storage, String data) {
    this.storage = storage;
    this.data = data;
  }

  /** Whether it is a data set in Parquet, which {@link ParquetTokens} reads. */
  boolean isParquet() throws IOException {
    return isPrepared() && !DataSetInfo.read(storage, data).isTokens();
  }

  private boolean isPrepared() throws IOException {
    storage.recover(data);
    return storage.exists(Storage.child(data, DataSetInfo.FILE));
  }

  /**
   * @throws UserException if it is missing, empty, in Parquet, or made for another tokenizer
   */
  TokenDataSet open(Split split, Tokenizer tokenizer, ModelSource model) throws IOException {
    if (isPrepared()) {
      return prepared(split, tokenizer, model);
    }
    if (!storage.exists(data)) {
      throw new UserException(
          "There is no data set %s; make one with 'sinklora prepare --input TEXTS --output %s'"
              .formatted(data, data));
    }
    return data.endsWith(".bin") ? tokenFile(tokenizer, model) : texts(tokenizer, model);
  }

  private TokenDataSet prepared(Split split, Tokenizer tokenizer, ModelSource model)
      throws IOException {
    DataSetInfo info = DataSetInfo.read(storage, data);
    if (!info.isTokens()) {
      throw new UserException(
          "The data set %s is in Parquet, which is read with Spark; prepare it with --token-files for machines without"
              .formatted(data));
    }
    TokenDataSet.check(info, data, split, tokenizer.fingerprint());
    TokenStream stream = open(Storage.child(data, info.tokenFile(split)), model);
    return StreamTokens.of(stream, info, lengths(stream, tokenizer));
  }

  /** A token file by itself: whose tokenizer made it, nothing says. */
  private TokenDataSet tokenFile(Tokenizer tokenizer, ModelSource model) throws IOException {
    TokenStream stream = open(data, model);
    int[] lengths = lengths(stream, tokenizer);
    DataSetInfo.Part part = DataSetInfo.Part.of(stream, lengths.length);
    DataSetInfo info = whole(part, tokenizer, model);
    if (part.rows() == 0) {
      throw new UserException(data + " is empty; give a file with tokens");
    }
    return StreamTokens.of(stream, info, lengths);
  }

  private TokenDataSet texts(Tokenizer tokenizer, ModelSource model) throws IOException {
    TextSources sources = new TextSources(storage, EXTENSIONS);
    sources.add(data);
    System.err.println("Tokenising the texts of " + data + " …");
    List<int[]> documents = new ArrayList<>();
    try (LocalFolder local = new LocalFolder();
        SourceTexts texts = new SourceTexts(sources, TEXT_FIELD)) {
      TokenizedTexts tokens =
          TokenizedTexts.of(texts, tokenizer, 0, local.path(), TokenizedTexts.BATCH);
      for (int i = 0; i < tokens.size(); i++) {
        documents.add(tokens.ids(i));
      }
    }
    return StreamTokens.of(
        TokenDocuments.of(documents).stream(),
        whole(DataSetInfo.Part.of(documents), tokenizer, model),
        documents.stream().mapToInt(document -> document.length).toArray());
  }

  /** Both sides are the same: what is given is what is meant. */
  private static DataSetInfo whole(DataSetInfo.Part part, Tokenizer tokenizer, ModelSource model) {
    return new DataSetInfo(
        DataSetInfo.TOKENS,
        DataSetInfo.DOCUMENTS,
        0,
        model.location(),
        tokenizer.fingerprint(),
        tokenizer.vocabularySize(),
        tokenizer.bosId().orElse(-1),
        0,
        null,
        null,
        part,
        part);
  }

  private TokenFile open(String file, ModelSource model) throws IOException {
    return TokenFile.open(storage.local(file), model.config().vocabSize());
  }

  private static int[] lengths(TokenStream stream, Tokenizer tokenizer) throws IOException {
    return StreamTokens.lengths(stream, tokenizer.bosId().orElse(-1), tokenizer.eosId().orElse(-1));
  }
}
