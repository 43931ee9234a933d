package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A whole run on {@code s3a:}, against S3Proxy in a process of its own. The profile "cluster"
 * brings both.
 */
@Tag("slow")
class S3Test {
  private static final String CACHE = "sinklora.cache";
  private static final Path SERVER = Path.of(System.getProperty("sinklora.s3proxy.jar"));

  /** What the server says of the port that it was given. */
  private static final Pattern PORT = Pattern.compile("\\{127\\.0\\.0\\.1:(\\d+)}");

  @TempDir private Path folder;
  private Process server;

  @BeforeEach
  void start() throws IOException, InterruptedException {
    assumeTrue(
        Files.exists(SERVER) && ClassPath.has("org.apache.hadoop.fs.s3a.S3AFileSystem"),
        "there is no S3: run with -Pcluster");
    Path store = Files.createDirectories(folder.resolve("store"));
    Files.createDirectory(store.resolve("bucket"));
    Path settings =
        Files.write(
            folder.resolve("s3proxy.conf"),
            List.of(
                "s3proxy.endpoint=http://127.0.0.1:0",
                "s3proxy.authorization=aws-v2-or-v4",
                "s3proxy.identity=key",
                "s3proxy.credential=secret",
                "jclouds.provider=filesystem-nio2",
                "jclouds.identity=key",
                "jclouds.credential=secret",
                "jclouds.filesystem.basedir=" + store));
    Path log = folder.resolve("s3proxy.log");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    server =
        ChildJvm.start(
            log,
            List.of(java, "-Xmx256m", "-jar", SERVER.toString(), "--properties", settings + ""));
    // s3a-site.xml, which all of this process's Hadoop reads, names the property.
    System.setProperty("sinklora.test.s3", "http://127.0.0.1:" + port(log));
    System.setProperty(CACHE, folder.resolve("cache").toString());
    Configuration.addDefaultResource("s3a-site.xml");
  }

  private String port(Path log) throws IOException, InterruptedException {
    while (true) {
      Matcher told = PORT.matcher(Files.readString(log));
      if (told.find()) {
        return told.group(1);
      }
      assertTrue(server.isAlive(), Files.readString(log));
      Thread.sleep(100);
    }
  }

  @AfterEach
  void stop() throws InterruptedException {
    System.clearProperty(CACHE);
    if (server != null) {
      server.destroyForcibly();
      assertTrue(server.waitFor(1, TimeUnit.MINUTES));
    }
  }

  @Test
  void everythingIsOnS3() throws IOException {
    RemoteRun run = new RemoteRun("s3a://bucket/sinklora");
    run.upload(new org.apache.hadoop.fs.Path("s3a://bucket/").getFileSystem(new Configuration()));
    run.run();
    assertFalse(Storage.here().movesFoldersWhole("s3a://bucket/sinklora"));
    try (Stream<Path> models = Files.list(folder.resolve("cache/models"))) {
      assertEquals(1, models.filter(Files::isDirectory).count());
    }
  }
}
