package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SequencePackerTest {
  private static final int BOS = 1;

  private static List<int[]> pack(int length, int[]... documents) {
    List<int[]> sequences = new ArrayList<>();
    SequencePacker packer = new SequencePacker(length, BOS, sequences::add);
    for (int[] document : documents) {
      packer.add(document);
    }
    packer.finish();
    return sequences;
  }

  @Test
  void aLongDocumentGoesOnInTheNextSequenceBehindABos() {
    List<int[]> sequences = pack(4, new int[] {1, 5, 6, 7, 8, 9, 2}, new int[] {1, 4, 2});
    assertEquals(3, sequences.size());
    assertArrayEquals(new int[] {1, 5, 6, 7}, sequences.get(0));
    assertArrayEquals(new int[] {1, 8, 9, 2}, sequences.get(1));
    assertArrayEquals(new int[] {1, 4, 2}, sequences.get(2));
  }

  @Test
  void shortDocumentsShareASequence() {
    List<int[]> sequences = pack(6, new int[] {1, 5, 2}, new int[] {1, 6, 7, 2});
    assertArrayEquals(new int[] {1, 5, 2, 1, 6, 7}, sequences.get(0));
    assertArrayEquals(new int[] {3, 3}, SequencePacker.pieces(sequences.get(0), BOS));
  }

  @Test
  void everyTokenComesOnceAndInOrder() {
    Random random = new Random(4);
    List<Integer> expected = new ArrayList<>();
    int[][] documents = new int[200][];
    for (int d = 0; d < documents.length; d++) {
      documents[d] = random.ints(1 + random.nextInt(40), 3, 100).toArray();
      documents[d][0] = BOS;
      for (int i = 1; i < documents[d].length; i++) {
        expected.add(documents[d][i]);
      }
    }
    List<Integer> found = new ArrayList<>();
    List<int[]> sequences = pack(16, documents);
    for (int[] sequence : sequences) {
      assertTrue(
          sequence.length == 16 || sequence == sequences.get(sequences.size() - 1),
          () -> "" + sequence.length);
      assertEquals(BOS, sequence[0]);
      int start = 0;
      for (int length : SequencePacker.pieces(sequence, BOS)) {
        for (int i = start + 1; i < start + length; i++) {
          found.add(sequence[i]);
        }
        start += length;
      }
      assertEquals(sequence.length, start);
    }
    assertEquals(expected, found);
  }

  @Test
  void aSequenceHasTwoTokensAtLeast() {
    assertThrows(IllegalArgumentException.class, () -> new SequencePacker(1, BOS, s -> {}));
  }
}
