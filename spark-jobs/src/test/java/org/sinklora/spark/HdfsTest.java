package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole run on HDFS. */
class HdfsTest {
  private static final String CACHE = "sinklora.cache";

  @TempDir private Path folder;
  private MiniDFSCluster cluster;

  @BeforeEach
  void start() throws IOException {
    // The data node grumbles at its own shutdown.
    Configurator.setLevel("org.apache.hadoop", Level.OFF);
    System.setProperty(CACHE, folder.resolve("cache").toString());
    Configuration configuration = new Configuration();
    configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("dfs").toString());
    cluster = new MiniDFSCluster.Builder(configuration).numDataNodes(1).build();
    cluster.waitActive();
  }

  @AfterEach
  void stop() {
    System.clearProperty(CACHE);
    cluster.shutdown();
    Configurator.setLevel("org.apache.hadoop", Level.WARN);
  }

  @Test
  void everythingIsOnHdfs() throws IOException {
    RemoteRun run = new RemoteRun(cluster.getURI() + "/sinklora");
    run.upload(cluster.getFileSystem());
    run.run();
    // The model came to this machine once.
    try (Stream<Path> models = Files.list(folder.resolve("cache/models"))) {
      List<Path> folders = models.filter(Files::isDirectory).toList();
      assertEquals(1, folders.size(), folders.toString());
      assertTrue(Files.exists(folders.get(0).resolve("model.safetensors")));
      assertFalse(Files.exists(folders.get(0).resolve("pytorch_model.bin")));
    }
  }
}
