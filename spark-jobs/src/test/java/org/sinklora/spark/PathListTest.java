package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commas separate paths, unless they are part of one that exists. */
class PathListTest {
  @TempDir private Path folder;

  private List<String> paths(String... values) throws IOException {
    return PathList.of(List.of(values), Storage.here());
  }

  @Test
  void aCommaCanBePartOfAName() throws IOException {
    String a = Files.createDirectory(folder.resolve("a")).toString();
    String ab = Files.createDirectory(folder.resolve("a,b")).toString();
    String c = folder.resolve("c").toString();
    assertEquals(List.of(ab), paths(ab));
    assertEquals(List.of(a, ab, c), paths(a + "," + ab + "," + c));
    assertEquals(List.of(ab, a, a), paths(ab + "," + a, a));
    assertEquals(List.of(c, "d"), paths(c + ",d"));
    // HDFS refuses to look for a name with a colon.
    assertEquals(List.of("hdfs://h/a", "hdfs://h/b"), paths("hdfs://h/a,hdfs://h/b"));
  }
}
