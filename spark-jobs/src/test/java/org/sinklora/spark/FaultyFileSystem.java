package org.sinklora.spark;

import java.io.IOException;
import java.net.URI;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;

/**
 * {@code faulty:} is the local file system, but where the system property names a file that does
 * not exist yet: that file is made, and one read fails.
 */
public final class FaultyFileSystem extends RawLocalFileSystem {
  static final String MARK = "sinklora.test.fault";

  /** Made by Hadoop. */
  public FaultyFileSystem() {}

  @Override
  public String getScheme() {
    return "faulty";
  }

  @Override
  public URI getUri() {
    return URI.create("faulty:///");
  }

  @Override
  public FSDataInputStream open(Path path, int bufferSize) throws IOException {
    String mark = System.getProperty(MARK);
    if (mark != null && isFirst(java.nio.file.Path.of(mark))) {
      throw new IOException("a read that fails once: " + path);
    }
    return super.open(path, bufferSize);
  }

  private static boolean isFirst(java.nio.file.Path mark) throws IOException {
    try {
      Files.createFile(mark);
      return true;
    } catch (FileAlreadyExistsException e) {
      return false;
    }
  }
}
