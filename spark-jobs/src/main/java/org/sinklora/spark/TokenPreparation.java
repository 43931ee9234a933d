package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.sinklora.data.TokenFileWriter;
import org.sinklora.data.Tokenizer;

/**
 * Writes a data set as token files, by this process alone: documents one behind the other, each
 * from its BOS to its EOS. It needs no Spark to be made or read, and takes two bytes a token.
 */
final class TokenPreparation {
  private final Storage storage;
  private final PreparationSettings settings;

  TokenPreparation(Storage storage, PreparationSettings settings) {
    this.storage = storage;
    this.settings = settings;
  }

  /** Writes the data set; it appears complete or not at all. */
  Prepared write(List<Text> texts, Tokenizer tokenizer, String output, String request)
      throws IOException {
    long start = System.nanoTime();
    if (tokenizer.bosId().isEmpty() && tokenizer.eosId().isEmpty()) {
      throw new UserException(
          "The tokenizer has neither BOS nor EOS, which tell documents in a token file apart; leave out --token-files");
    }
    int cores = Runtime.getRuntime().availableProcessors();
    TokenizedTexts tokens =
        TokenizedTexts.of(texts, tokenizer, settings.heldOut(), settings.minimumCharacters());
    double tokenized = (System.nanoTime() - start) / 1e9 * cores;
    DataSetInfo info =
        new DataSetInfo(
            DataSetInfo.TOKENS,
            DataSetInfo.DOCUMENTS,
            0,
            settings.model().location(),
            tokenizer.fingerprint(),
            tokenizer.vocabularySize(),
            tokenizer.bosId().orElse(-1),
            settings.heldOut().share(),
            null,
            request,
            DataSetInfo.Part.of(tokens.train()),
            DataSetInfo.Part.of(tokens.heldOut()));
    try (LocalFolder local = new LocalFolder()) {
      Path folder = Files.createDirectory(local.path().resolve("data"));
      write(tokens.train(), folder.resolve(info.tokenFile(Split.TRAIN)), tokenizer);
      write(tokens.heldOut(), folder.resolve(info.tokenFile(Split.HELD_OUT)), tokenizer);
      Files.writeString(folder.resolve(DataSetInfo.FILE), info.toJson());
      long made = info.train().tokens() + info.heldOut().tokens();
      QualityReport report =
          new QualityReport(
              texts.size(),
              tokens.characters()[0],
              info.train().rows() + info.heldOut().rows(),
              tokens.characters()[1],
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

  private static void write(List<int[]> documents, Path file, Tokenizer tokenizer)
      throws IOException {
    try (TokenFileWriter writer = TokenFileWriter.create(file, tokenizer.vocabularySize())) {
      for (int[] document : documents) {
        writer.write(document);
      }
      writer.commit();
    }
  }
}
