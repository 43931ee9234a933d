package org.sinklora.spark;

import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.sinklora.data.Document;
import org.sinklora.data.Tokenizer;

/**
 * What is asked of {@link Prepare}, beside the settings that decide the result.
 *
 * @param inputs files and folders
 * @param field of JSON lines and Parquet that holds the text
 * @param extensions of text files in folders
 * @param output folder of the data set
 * @param overwrite whether it may be replaced
 * @param keepParts whether the working folder stays, so that only new inputs are tokenised later
 * @param tokenFiles whether it consists of token files
 * @param conversations whether the inputs hold conversations
 */
record PrepareRequest(
    List<String> inputs,
    String field,
    List<String> extensions,
    String output,
    boolean overwrite,
    boolean keepParts,
    boolean tokenFiles,
    boolean conversations) {

  /** Finds the texts. */
  TextSources find(Storage storage) throws IOException {
    TextSources texts =
        conversations ? TextSources.ofConversations(storage) : new TextSources(storage, extensions);
    for (String input : inputs) {
      texts.add(input);
    }
    return texts;
  }

  /** Changes with everything that the result depends on: files, settings, tokenizer. */
  String fingerprint(TextSources texts, PreparationSettings settings, Tokenizer tokenizer) {
    String files =
        texts.files().stream()
            .map(file -> "%s %d %d".formatted(file.path(), file.bytes(), file.modified()))
            .sorted()
            .collect(Collectors.joining("\n"));
    String all =
        String.join(
            "\n",
            TokenParts.VERSION,
            files,
            field,
            extensions.toString(),
            Boolean.toString(tokenFiles),
            tokenizer.fingerprint(),
            settings.model().location(),
            Double.toString(settings.heldOut().share()),
            Integer.toString(settings.minimumCharacters()),
            Integer.toString(settings.packedLength()),
            Double.toString(settings.nearDuplicates()),
            Objects.toString(settings.supervision()));
    return Document.ofContent(all).name();
  }

  /**
   * Whether the output is there already, made of the same inputs in the same way.
   *
   * @throws UserException if there is something else that is not to be replaced
   */
  boolean isDone(Storage storage, String fingerprint) throws IOException {
    if (!overwrite
        && storage.exists(Storage.child(output, DataSetInfo.FILE))
        && fingerprint.equals(DataSetInfo.read(storage, output).request())) {
      return true;
    }
    storage.checkOutput(output, overwrite, DataSetInfo.FILE);
    return false;
  }
}
