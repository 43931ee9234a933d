package org.sinklora.spark;

import java.io.Closeable;
import java.io.IOException;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapred.FileSplit;
import org.apache.hadoop.mapred.LineRecordReader;

/** The lines that begin in a range of a file. */
final class RangeLines implements Closeable {
  private final String file;
  private final LineRecordReader lines;
  private final LongWritable at = new LongWritable();
  private final Text line = new Text();

  RangeLines(TextChunk chunk) throws IOException {
    this.file = chunk.source().file();
    this.lines =
        new LineRecordReader(
            HadoopSettings.here(),
            new FileSplit(new Path(file), chunk.start(), chunk.bytes(), (String[]) null));
  }

  /** The next line, valid until it is asked for another; null at the end. */
  Text next() throws IOException {
    return lines.next(at, line) ? line : null;
  }

  /** What errors call the line that was read last. */
  String where() {
    return "%s, the line at byte %,d".formatted(file, at.get());
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }
}
