package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.BlockLocation;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * An HDFS with two copies of everything, of which a data node dies in the middle of a run and the
 * name node starts anew before the run is resumed: the adapter is that of an undisturbed run.
 */
@Tag("slow")
class HdfsFaultsTest {
  private static final String LISTENERS = "spark.extraListeners";
  private static final String WEIGHTS = "adapter/adapter_model.safetensors";

  /** A round is a stage; before the first one executors are looked at, and nothing reads data. */
  private static final int DISTURBED_STAGE = 2;

  @TempDir private Path folder;
  private MiniDFSCluster cluster;
  private String root;
  private Storage storage;

  @BeforeEach
  void start() throws IOException {
    // Nodes grumble at their own ends.
    Configurator.setLevel("org.apache.hadoop", Level.OFF);
    Configuration configuration = new Configuration();
    configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("dfs").toString());
    configuration.setInt("dfs.replication", 2);
    cluster = new MiniDFSCluster.Builder(configuration).numDataNodes(3).build();
    cluster.waitActive();
    root = cluster.getURI() + "/sinklora";
    storage = Storage.here();
    cluster
        .getFileSystem()
        .copyFromLocalFile(
            hadoop(SampleData.tokenFiles().toUri().toString()), hadoop(Storage.child(root, "d")));
    System.setProperty(LISTENERS, TaskWatch.class.getName());
    System.setProperty("spark.hadoop.dfs.replication", "2");
  }

  @AfterEach
  void stop() {
    System.clearProperty(LISTENERS);
    System.clearProperty("spark.hadoop.dfs.replication");
    cluster.shutdown();
    Configurator.setLevel("org.apache.hadoop", Level.WARN);
  }

  private static org.apache.hadoop.fs.Path hadoop(String path) {
    return new org.apache.hadoop.fs.Path(path);
  }

  private static Object[] train(Object data, Object output) throws IOException {
    return SampleData.trainBriefly(
        Path.of("unused"),
        "--output",
        output,
        "--data",
        data,
        "--master",
        "local[2]",
        "--batch-size",
        2,
        "--steps",
        6);
  }

  @Test
  void nodesDie() throws IOException {
    Path undisturbed = folder.resolve("undisturbed");
    TaskWatch.begin(start -> {});
    Cli.succeed(train(SampleData.tokenFiles(), undisturbed));
    byte[] adapter = Files.readAllBytes(undisturbed.resolve(WEIGHTS));

    String run = Storage.child(root, "run");
    AtomicReference<String> died = new AtomicReference<>();
    TaskWatch.begin(
        start -> {
          if (start.stageId() == DISTURBED_STAGE && died.get() == null) {
            died.set(stopNodeOf(Storage.child(run, "metrics.jsonl")));
          }
        });
    Object[] train = train(Storage.child(root, "d"), run);
    Cli.succeed(train);
    assertEquals(2, cluster.getDataNodes().size(), "no node died: " + died);
    assertArrayEquals(adapter, storage.readBytes(Storage.child(run, WEIGHTS)));
    assertEquals(6, storage.readText(Storage.child(run, "metrics.jsonl")).lines().count());

    // As a run that was killed while it wrote its last checkpoint.
    String last = Storage.child(run, "checkpoints/step-00000006/" + CheckpointManifest.FILE);
    storage.delete(last);
    storage.delete(Storage.child(run, "adapter"));
    cluster.restartNameNode(true);
    Path json = folder.resolve("result.json");
    TaskWatch.begin(start -> {});
    Cli.succeed(SampleData.with(train, "--resume", "--json", json));
    assertEquals(5, new JsonMapper().readTree(json.toFile()).path("resumed_at").asInt());
    assertArrayEquals(adapter, storage.readBytes(Storage.child(run, WEIGHTS)));
  }

  /** The file is being written to. */
  private String stopNodeOf(String file) {
    try {
      FileSystem hdfs = cluster.getFileSystem();
      BlockLocation[] blocks = hdfs.getFileBlockLocations(hadoop(file), 0, Long.MAX_VALUE);
      String node = blocks[0].getNames()[0];
      cluster.stopDataNode(node);
      return node;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
