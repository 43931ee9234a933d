package org.sinklora.spark;

import java.io.IOException;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.mapred.FileSplit;
import org.apache.hadoop.mapred.LineRecordReader;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.sinklora.data.Document;
import org.sinklora.data.JsonLines;

/** The documents of the JSON lines that begin in a range of a file. */
final class JsonLinesReader implements ChunkReader {
  private final String file;
  private final String field;
  private final LineRecordReader lines;
  private final LongWritable at = new LongWritable();
  private final org.apache.hadoop.io.Text line = new org.apache.hadoop.io.Text();

  JsonLinesReader(TextChunk chunk, String field) throws IOException {
    this.file = chunk.source().file();
    this.field = field;
    this.lines =
        new LineRecordReader(
            SparkHadoopUtil.get().conf(),
            new FileSplit(new Path(file), chunk.start(), chunk.bytes(), (String[]) null));
  }

  @Override
  public Text next() throws IOException {
    while (lines.next(at, line)) {
      String where = "%s, the line at byte %,d,".formatted(file, at.get());
      Optional<Document> document = JsonLines.document(line.toString(), field, where);
      if (document.isPresent()) {
        return Text.of("", document.get());
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }
}
