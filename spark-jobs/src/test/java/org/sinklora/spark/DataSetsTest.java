package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.SequencePlan.Slice;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.TokenStream;

/** What {@code --data} may name, in a process that works alone. */
class DataSetsTest {
  private static final int BOS = 1;
  private static final int EOS = 2;
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  @Test
  void documentsAreToldApartByTheirSpecialTokens() throws IOException {
    TokenStream stream = stream(BOS, 7, BOS, 8, EOS, BOS, EOS, 9, 9, EOS);
    // A BOS within a document, and an EOS, do not end it where both are there.
    assertArrayEquals(new int[] {5, 5}, StreamTokens.lengths(stream, BOS, EOS));
    assertArrayEquals(new int[] {2, 3, 5}, StreamTokens.lengths(stream, BOS, -1));
    assertArrayEquals(new int[] {5, 2, 3}, StreamTokens.lengths(stream, -1, EOS));
    assertArrayEquals(new int[] {10}, StreamTokens.lengths(stream, -1, -1));
    assertArrayEquals(new int[] {}, StreamTokens.lengths(stream(), BOS, EOS));
  }

  @Test
  void documentsBeyondOneReadAreFound() throws IOException {
    int[] long1 = new int[(1 << 20) + 3];
    Arrays.fill(long1, 5);
    long1[0] = BOS;
    long1[long1.length - 1] = EOS;
    int[] long2 = long1.clone();
    TokenStream stream = TokenDocuments.of(List.of(long1, long2)).stream();
    assertArrayEquals(
        new int[] {long1.length, long2.length}, StreamTokens.lengths(stream, BOS, EOS));
  }

  private static TokenStream stream(int... ids) {
    return TokenDocuments.of(List.of(ids)).stream();
  }

  @Test
  void slicesAreReadFromTheirDocument() throws IOException {
    List<int[]> documents = List.of(new int[] {1, 3, 2}, new int[] {1, 4, 5, 2});
    DataSetInfo.Part part = DataSetInfo.Part.of(documents);
    assertEquals(2, part.rows());
    assertEquals(7, part.tokens());
    StreamTokens tokens =
        StreamTokens.of(TokenDocuments.of(documents).stream(), null, new int[] {3, 4});
    List<int[]> read = tokens.read(List.of(new Slice(1, 1, 2), new Slice(0, 0, 3)));
    assertArrayEquals(new int[] {4, 5}, read.get(0));
    assertArrayEquals(new int[] {1, 3, 2}, read.get(1));
    // The order counts: a checkpoint goes on with the same sequences alone.
    String other = DataSetInfo.Part.of(List.of(documents.get(1), documents.get(0))).contentHash();
    assertTrue(!part.contentHash().equals(other), other);
  }

  @Test
  void documentsWithoutAWindowAreTold() throws IOException {
    int[] lengths = {30, 1200, 40};
    DataSetInfo.Part part = new DataSetInfo.Part(3, 1270, "0");
    DataSetInfo info =
        new DataSetInfo("tokens", "documents", 0, "m", "t", 9, 1, 0, null, null, part, part);
    StreamTokens tokens = StreamTokens.of(stream(), info, lengths);
    String said = new PlannedTokens(tokens, 1000, 0).unused("texts/").orElseThrow();
    assertTrue(
        said.startsWith(
            "Only 1 of the 3 documents of texts/ are trained on, 1,200 of 1,270 tokens"),
        said);
    assertTrue(said.contains("prepare --pack 1000"), said);
    assertTrue(new PlannedTokens(tokens, 30, 0).unused("texts/").isEmpty());
  }

  @Test
  void textsJsonLinesAndATokenFileTrainAlike() throws IOException {
    String text = Files.readString(SampleData.SOURCES.resolve("org/sinklora/spark/Storage.java"));
    Path plain = Files.writeString(folder.resolve("a.txt"), text);
    Path lines =
        Files.writeString(
            folder.resolve("a.jsonl"),
            // Behind a byte order mark.
            "\uFEFF" + JSON.createObjectNode().put("text", text) + "\n");
    double first = loss("text", plain);
    assertEquals(first, loss("lines", lines));
    Path tokens = folder.resolve("tokens");
    Cli.succeed("prepare", "--input", plain, "--held-out", 0, "--token-files", "--output", tokens);
    assertEquals(first, loss("tokens", tokens));
    assertEquals(first, loss("file", tokens.resolve("train.bin")));
    assertEquals(first, loss("folder", Files.createDirectories(copy(plain))));
  }

  private Path copy(Path file) throws IOException {
    Path texts = Files.createDirectories(folder.resolve("texts"));
    Files.copy(file, texts.resolve("a.txt"));
    return texts;
  }

  private double loss(String name, Path data) throws IOException {
    Path json = folder.resolve(name + ".json");
    Object[] command =
        SampleData.train(
            folder.resolve("run-" + name),
            "--master",
            "none",
            "--data",
            data,
            "--steps",
            1,
            "--json",
            json);
    Cli.succeed(command);
    return JSON.readTree(json.toFile()).at("/losses/0").asDouble();
  }

  @Test
  void perplexityOfTokenFilesIsThatOfParquet() throws IOException {
    JsonNode spark = perplexity("spark", SampleData.folder(), "local[2]");
    JsonNode alone = perplexity("alone", SampleData.tokenFiles(), "none");
    for (int i = 0; i < 2; i++) {
      double expected = spark.path(i).path("value").asDouble();
      assertEquals(expected, alone.path(i).path("value").asDouble(), 1e-5 * expected);
      assertEquals(spark.path(i).path("windows"), alone.path(i).path("windows"));
    }
  }

  private JsonNode perplexity(String name, Path data, String master) throws IOException {
    Path json = folder.resolve(name + ".json");
    Cli.succeed(
        "eval",
        "perplexity",
        "--data",
        data,
        "--lengths",
        "128,256",
        "--documents",
        3,
        "--master",
        master,
        "--json",
        json);
    JsonNode list = JSON.readTree(json.toFile()).path("perplexity");
    assertEquals(2, list.size());
    return list;
  }

  @Test
  void whatIsNoDataIsRefused() throws IOException {
    Path empty = Files.createFile(folder.resolve("empty.bin"));
    refused("is empty", empty);
    Path odd = Files.write(folder.resolve("odd.bin"), new byte[] {1, 0, 0});
    refused("no multiple of the 2", odd);
    Path large = Files.write(folder.resolve("large.bin"), new byte[] {1, 0, -1, -1});
    refused("outside the vocabulary", large);
    refused("have no file that ends with", Files.createDirectories(folder.resolve("nothing")));
    refused("There is no data set", folder.resolve("none"));
  }

  private void refused(String said, Path data) throws IOException {
    Cli cli =
        Cli.run(
            SampleData.train(
                folder.resolve("run"), "--master", "none", "--data", data, "--context", 2));
    assertEquals(1, cli.code(), cli.err());
    assertEquals(1, cli.err().lines().count(), cli.err());
    assertTrue(cli.err().contains(said), cli.err());
  }
}
