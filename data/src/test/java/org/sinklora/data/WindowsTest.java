package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WindowsTest {
  private static final ConcatenatedTokens STREAM =
      new ConcatenatedTokens(
          List.of(
              new int[0],
              new int[] {0, 1, 2},
              new int[] {3},
              new int[0],
              new int[] {4, 5, 6, 7, 8, 9}));

  /** The documents "", " a", " a a", …: of 2, 3, 4, … tokens with BOS and EOS. */
  private static TokenDocuments growing(int count) throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      return TokenDocuments.encode(
          tokenizer,
          IntStream.range(0, count).mapToObj(i -> new Document("d" + i, " a".repeat(i))).toList());
    }
  }

  @Test
  void documentWindowsAreTheFirstTokensOfThoseLongEnough() throws IOException {
    TokenDocuments documents = growing(5);
    int a = documents.document(1)[1];
    assertArrayEquals(new int[] {1, 2}, documents.document(0));
    assertArrayEquals(new int[] {1, a, a, a, a, 2}, documents.document(4));
    assertEquals(2 + 3 + 4 + 5 + 6, documents.tokens());

    List<int[]> windows = documents.windows(5);
    assertEquals(2, windows.size());
    assertArrayEquals(new int[] {1, a, a, a, 2}, windows.get(0), "just long enough: with its EOS");
    assertArrayEquals(new int[] {1, a, a, a, a}, windows.get(1));
    assertEquals(0, documents.windows(7).size());
  }

  @Test
  void documentsConcatenateToAStream() throws IOException {
    TokenDocuments documents = growing(2);
    int a = documents.document(1)[1];
    assertArrayEquals(new int[] {1, 2, 1, a, 2}, documents.stream().read(0, 5));
  }

  @Test
  void aStreamReadsAcrossItsParts() {
    int[] all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    assertEquals(10, STREAM.size());
    for (int start = 0; start <= 10; start++) {
      for (int count = 0; start + count <= 10; count++) {
        assertArrayEquals(Arrays.copyOfRange(all, start, start + count), STREAM.read(start, count));
      }
    }
    assertThrows(IndexOutOfBoundsException.class, () -> STREAM.read(9, 2));
    assertThrows(IndexOutOfBoundsException.class, () -> STREAM.read(-1, 1));
    assertEquals(0, new ConcatenatedTokens(List.of()).size());
  }

  private static List<List<Integer>> windows(int length, int stride) throws IOException {
    StreamWindows windows = new StreamWindows(STREAM, length, stride);
    List<List<Integer>> result = new ArrayList<>();
    for (long i = 0; i < windows.count(); i++) {
      result.add(IntStream.of(windows.get(i)).boxed().toList());
    }
    assertThrows(IndexOutOfBoundsException.class, () -> windows.get(windows.count()));
    return result;
  }

  @Test
  void streamWindowsStartEveryStrideAndDropTheRest() throws IOException {
    assertEquals(
        List.of(List.of(0, 1, 2, 3), List.of(3, 4, 5, 6), List.of(6, 7, 8, 9)), windows(4, 3));
    assertEquals(List.of(List.of(0, 1, 2, 3), List.of(4, 5, 6, 7)), windows(4, 4));
    assertEquals(List.of(List.of(0, 1), List.of(7, 8)), windows(2, 7));
    assertEquals(1, windows(10, 1).size());
    assertEquals(0, windows(11, 1).size());
  }

  @Test
  void windowsThatPredictNothingAreRefused() throws IOException {
    TokenDocuments documents = growing(1);
    assertThrows(IllegalArgumentException.class, () -> documents.windows(1));
    assertThrows(IllegalArgumentException.class, () -> new StreamWindows(STREAM, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new StreamWindows(STREAM, 2, 0));
  }
}
