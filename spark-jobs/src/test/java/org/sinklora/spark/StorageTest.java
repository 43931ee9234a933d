package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every storage does the same to local files. */
class StorageTest {
  @TempDir private Path folder;

  static Stream<Storage> storages() {
    return Stream.of(new LocalStorage(), HadoopStorage.create());
  }

  private String path(String name) {
    return Storage.child(folder.toString(), name);
  }

  @ParameterizedTest
  @MethodSource("storages")
  void filesAppearCompleteAndReplaceOthers(Storage storage) throws IOException {
    String file = path("new/folder/a.txt");
    storage.writeText(file, "one\n");
    storage.writeText(file, "zwei\n");
    assertEquals("zwei\n", storage.readText(file));
    assertEquals(List.of("a.txt"), names(storage.list(path("new/folder"))));
    assertTrue(storage.exists(file));
    assertFalse(storage.exists(path("b.txt")));
    assertTrue(storage.isFolder(path("new")));
    assertFalse(storage.isFolder(file));
    assertFalse(storage.isFolder(path("none")));
    storage.delete(path("new"));
    storage.delete(path("new"));
    assertFalse(storage.exists(path("new")));
  }

  @ParameterizedTest
  @MethodSource("storages")
  void whatWasFlushedIsThereForOthers(Storage storage) throws IOException {
    try (OutputStream out = storage.create(path("log/metrics.jsonl"))) {
      out.write("first\n".getBytes(StandardCharsets.UTF_8));
      out.flush();
      assertEquals("first\n", Files.readString(folder.resolve("log/metrics.jsonl")));
    }
  }

  @ParameterizedTest
  @MethodSource("storages")
  void foldersAreReplacedWhole(Storage storage) throws IOException {
    Path local = Files.createDirectories(folder.resolve("local"));
    Files.writeString(local.resolve("one"), "1");
    storage.upload(local, path("target"));
    Files.delete(local.resolve("one"));
    Files.writeString(local.resolve("two"), "2");
    storage.upload(local, path("target"));
    assertEquals(List.of("two"), names(storage.list(path("target"))));
    assertEquals(List.of("local", "target"), names(storage.list(folder.toString())));
    assertEquals(
        List.of("local", "target"),
        storage.folders(folder.toString()).stream().map(Storage::name).toList());
    assertEquals(List.of(), storage.folders(path("none")));
    assertEquals(folder.resolve("target"), storage.local(path("target")));
    assertThrows(FileNotFoundException.class, () -> storage.local(path("none")));
  }

  @ParameterizedTest
  @MethodSource("storages")
  void aReplacementThatWasCutOffIsTakenBack(Storage storage) throws IOException {
    storage.writeText(path("a/file"), "a");
    storage.writeText(path("b/file"), "b");
    String oldA = Storage.sibling(path("a"), "old");
    storage.move(path("a"), oldA);
    storage.recover(path("b"));
    assertFalse(storage.exists(path("a")));
    storage.recover(path("a"));
    assertEquals("a", storage.readText(path("a/file")));

    storage.move(path("a"), oldA);
    storage.writeText(Storage.child(Storage.sibling(path("b"), "old"), "file"), "older");
    storage.recoverAll(folder.toString());
    assertEquals(List.of("a", "b"), names(storage.list(folder.toString())));
    assertEquals("b", storage.readText(path("b/file")));
    storage.recoverAll(path("none"));
  }

  @ParameterizedTest
  @MethodSource("storages")
  void hiddenFilesAreLeftOut(Storage storage) throws IOException {
    for (String name : List.of("b/c.txt", "a.txt", "_SUCCESS", ".hidden")) {
      storage.writeText(path(name), name);
    }
    List<StoredFile> files = storage.files(folder.toString());
    assertEquals(List.of("a.txt", "c.txt"), names(files));
    assertEquals(5, files.get(0).bytes());
    assertEquals(folder.resolve("a.txt").toString(), storage.absolute(files.get(0).path()));
    assertEquals(List.of("a.txt"), names(storage.files(path("a.txt"))));
  }

  @ParameterizedTest
  @MethodSource("storages")
  void outputsAreGuarded(Storage storage) throws IOException {
    storage.checkOutput(path("none"), false, "mark");
    storage.writeText(path("out/file"), "");
    refuses("--overwrite", () -> storage.checkOutput(path("out"), false, "mark"));
    refuses("no mark", () -> storage.checkOutput(path("out"), true, "mark"));
    storage.checkOutput(path("out"), true, "file");
    storage.checkRoom(path("not/yet/there"), 1);
    refuses("room for", () -> storage.checkRoom(path("not/yet/there"), Long.MAX_VALUE));
  }

  /** As in an object store: files come one after the other, and the process may end in between. */
  @Test
  void whereFoldersMoveInPartsTheMarkComesLast() throws IOException {
    Storage storage = HadoopStorage.create();
    String target = "faulty:" + folder.resolve("data");
    assertTrue(storage.movesFoldersWhole(folder.toString()));
    assertFalse(storage.movesFoldersWhole(target));
    Path local = Files.createDirectories(folder.resolve("local"));
    for (String name : List.of(DataSetInfo.FILE, "a.bin", "z.bin")) {
      Files.writeString(local.resolve(name), name);
    }
    storage.upload(local, target, DataSetInfo.FILE);
    List<String> all = List.of("a.bin", DataSetInfo.FILE, "z.bin");
    assertEquals(all, names(storage.list(target)));
    assertEquals(List.of("data", "local"), names(storage.list(folder.toString())));

    System.setProperty(FaultyFileSystem.STUCK, "z.bin");
    try {
      assertThrows(IOException.class, () -> storage.upload(local, target, DataSetInfo.FILE));
    } finally {
      System.clearProperty(FaultyFileSystem.STUCK);
    }
    // Some of the new is there, but nobody takes it for a data set.
    assertEquals(List.of("a.bin"), names(storage.list(target)));
    refuses("not a data set", () -> DataSetInfo.read(storage, target));
    storage.upload(local, target, DataSetInfo.FILE);
    assertEquals(all, names(storage.list(target)));
  }

  @Test
  void theRoomBehindAMountOfViewfsIsThatOfItsTarget() throws IOException {
    Configuration configuration = new Configuration();
    configuration.set(
        "fs.viewfs.mounttable.test.link./data", folder.resolve("mounted").toUri().toString());
    Files.createDirectory(folder.resolve("mounted"));
    Storage storage = new HadoopStorage(configuration);
    storage.checkRoom("viewfs://test/data/not/yet/there", 1);
    refuses("room for", () -> storage.checkRoom("viewfs://test/data/run", Long.MAX_VALUE));
  }

  @Test
  void aFileSystemThatIsNotThereIsNamed() {
    Storage storage = HadoopStorage.create();
    refuses(
        "The file system of abfs://container@account/data is not on the class path",
        () -> storage.exists("abfs://container@account/data"));
    refuses("--packages org.apache.hadoop:hadoop-aws:3.", () -> storage.exists("abfs://a@b/c"));
  }

  private static void refuses(String said, Executable check) {
    UserException refused = assertThrows(UserException.class, check);
    assertTrue(refused.getMessage().contains(said), refused.getMessage());
  }

  @Test
  void pathsAreTakenApart() {
    assertEquals("a/b", Storage.child("a", "b"));
    assertEquals("hdfs://x/b", Storage.child("hdfs://x/", "b"));
    assertEquals("c", Storage.name("a/b/c/"));
    assertEquals("c", Storage.name("c"));
    assertTrue(Storage.sibling("a/b/", "tmp").matches("a/\\._b\\.[0-9a-f-]+\\.tmp"));
    assertTrue(Storage.sibling("b", "tmp").startsWith("._b."));
    assertEquals("a/b", Storage.withoutSlash("a/b//"));
    assertEquals("hdfs://x/b", Storage.withoutSlash("hdfs://x/b/"));
    for (String root : List.of("/", "hdfs://x/", "hdfs:///", "s3a://bucket/", "file:/")) {
      assertEquals(root, Storage.withoutSlash(root));
    }
  }

  @Test
  void withoutHadoopOtherFileSystemsAreRefused() throws IOException {
    LocalStorage storage = new LocalStorage();
    refuses("needs Hadoop", () -> storage.exists("hdfs://host/data"));
    refuses("needs Hadoop", () -> storage.exists("s3a://bucket/data"));
    storage.writeText(path("a"), "a");
    assertTrue(storage.exists("file:" + folder.resolve("a")));
    assertTrue(storage.exists("file://" + folder.resolve("a")));
  }

  private static List<String> names(List<StoredFile> files) {
    return files.stream().map(StoredFile::name).toList();
  }
}
