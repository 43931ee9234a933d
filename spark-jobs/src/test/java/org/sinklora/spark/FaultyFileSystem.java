package org.sinklora.spark;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.util.concurrent.locks.LockSupport;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.util.Progressable;

/**
 * {@code faulty:} is the local file system with faults that system properties ask for. {@value
 * #MARK} names a file that does not exist yet: that file is made, and one read fails. {@value
 * #STALLED} is part of a path: a file of it is written in part, then the file {@value
 * #STALLED_MARK} is made, and the process waits for its end.
 */
public final class FaultyFileSystem extends RawLocalFileSystem {
  static final String MARK = "sinklora.test.fault";
  static final String UNREADABLE = "sinklora.test.unreadable";
  static final String STALLED = "sinklora.test.stall";
  static final String STUCK = "sinklora.test.stuck";
  static final String STALLED_MARK = "sinklora.test.stall.mark";

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
    String unreadable = System.getProperty(UNREADABLE);
    if (unreadable != null && path.toString().contains(unreadable)) {
      throw new IOException("a read that fails: " + path);
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

  @Override
  public FSDataOutputStream create(
      Path path,
      boolean overwrite,
      int bufferSize,
      short replication,
      long blockSize,
      Progressable progress)
      throws IOException {
    FSDataOutputStream out =
        super.create(path, overwrite, bufferSize, replication, blockSize, progress);
    String stalled = System.getProperty(STALLED);
    return stalled != null && path.toString().contains(stalled)
        ? new FSDataOutputStream(new Stalled(out), null)
        : out;
  }

  @Override
  public boolean rename(Path from, Path to) throws IOException {
    String stuck = System.getProperty(STUCK);
    if (stuck != null && from.toString().contains(stuck)) {
      throw new IOException("a file that can't be renamed: " + from);
    }
    return super.rename(from, to);
  }

  /** Takes one write, half of it. */
  private static final class Stalled extends FilterOutputStream {
    Stalled(OutputStream out) {
      super(out);
    }

    @Override
    public void write(byte[] bytes, int from, int count) throws IOException {
      out.write(bytes, from, count / 2);
      out.flush();
      Files.createFile(java.nio.file.Path.of(System.getProperty(STALLED_MARK)));
      while (true) {
        LockSupport.park();
      }
    }
  }
}
