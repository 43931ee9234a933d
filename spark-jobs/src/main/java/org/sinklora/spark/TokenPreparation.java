package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.sinklora.data.TokenFile;
import org.sinklora.data.TokenFileWriter;
import org.sinklora.data.Tokenizer;

/**
 * Writes a data set as token files, by this process alone: documents one behind the other, each
 * from its BOS to its EOS. It needs no Spark to be made or read, and takes two bytes a token.
 */
final class TokenPreparation {
  private final Storage storage;
  private final PreparationSettings settings;
  private final int batch;

  TokenPreparation(Storage storage, PreparationSettings settings) {
    this(storage, settings, TokenizedTexts.BATCH);
  }

  /**
   * @param batch how many characters are tokenised together; it changes nothing of the result
   */
  TokenPreparation(Storage storage, PreparationSettings settings, int batch) {
    this.storage = storage;
    this.settings = settings;
    this.batch = batch;
  }

  /** Writes the data set; it appears complete or not at all. */
  Prepared write(SourceTexts texts, Tokenizer tokenizer, String output, String request)
      throws IOException {
    long start = System.nanoTime();
    if (tokenizer.bosId().isEmpty() && tokenizer.eosId().isEmpty()) {
      throw new UserException(
          "The tokenizer has neither BOS nor EOS, which tell documents in a token file apart; leave out --token-files");
    }
    int cores = Runtime.getRuntime().availableProcessors();
    try (LocalFolder local = new LocalFolder()) {
      TokenizedTexts tokens =
          TokenizedTexts.of(texts, tokenizer, settings.minimumCharacters(), local.path(), batch);
      double tokenized = (System.nanoTime() - start) / 1e9 * cores;
      Path folder = Files.createDirectory(local.path().resolve("data"));
      DataSetInfo info = write(tokens, tokenizer, folder, request);
      Files.writeString(folder.resolve(DataSetInfo.FILE), info.toJson());
      long made = info.train().tokens() + info.heldOut().tokens();
      QualityReport report =
          new QualityReport(
              tokens.read(),
              tokens.readCharacters(),
              tokens.size(),
              tokens.keptCharacters(),
              made,
              tokens.longDocuments(),
              tokens.dropped(),
              null,
              new QualityReport.Tokenizing(made, tokenized, 1, 0),
              (System.nanoTime() - start) / 1e9,
              cores);
      Files.writeString(folder.resolve(QualityReport.FILE), report.json().toPrettyString() + "\n");
      storage.upload(folder, output, DataSetInfo.FILE);
      return new Prepared(info, report);
    }
  }

  private DataSetInfo write(TokenizedTexts tokens, Tokenizer tokenizer, Path folder, String request)
      throws IOException {
    int vocabulary = tokenizer.vocabularySize();
    Path train = folder.resolve(DataSetInfo.tokenFile(Split.TRAIN, vocabulary));
    Path heldOut = folder.resolve(DataSetInfo.tokenFile(Split.HELD_OUT, vocabulary));
    int trainRows = 0;
    try (TokenFileWriter trainFile = TokenFileWriter.create(train, vocabulary);
        TokenFileWriter heldOutFile = TokenFileWriter.create(heldOut, vocabulary)) {
      for (int i = 0; i < tokens.size(); i++) {
        boolean holdsOut = settings.heldOut().holdsOut(tokens.name(i));
        (holdsOut ? heldOutFile : trainFile).write(tokens.ids(i));
        trainRows += holdsOut ? 0 : 1;
      }
      trainFile.commit();
      heldOutFile.commit();
    }
    return new DataSetInfo(
        DataSetInfo.TOKENS,
        DataSetInfo.DOCUMENTS,
        0,
        settings.model().location(),
        tokenizer.fingerprint(),
        vocabulary,
        tokenizer.bosId().orElse(-1),
        settings.heldOut().share(),
        null,
        request,
        DataSetInfo.Part.of(TokenFile.open(train, vocabulary), trainRows),
        DataSetInfo.Part.of(TokenFile.open(heldOut, vocabulary), tokens.size() - trainRows));
  }
}
