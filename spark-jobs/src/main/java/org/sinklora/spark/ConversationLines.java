package org.sinklora.spark;

import java.io.IOException;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.mapred.FileSplit;
import org.apache.hadoop.mapred.LineRecordReader;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.sinklora.data.ChatMessage;
import org.sinklora.data.ChatTemplate;
import org.sinklora.data.ConversationReader;

/** The conversations of the JSON lines that begin in a range of a file, rendered one by one. */
final class ConversationLines implements ChunkReader {
  private final String file;
  private final ConversationReader.Format format;
  private final ChatTemplate template;
  private final LineRecordReader lines;
  private final LongWritable at = new LongWritable();
  private final org.apache.hadoop.io.Text line = new org.apache.hadoop.io.Text();

  ConversationLines(TextChunk chunk, ConversationReader.Format format, ChatTemplate template)
      throws IOException {
    this.file = chunk.source().file();
    this.format = format;
    this.template = template;
    this.lines =
        new LineRecordReader(
            SparkHadoopUtil.get().conf(),
            new FileSplit(new Path(file), chunk.start(), chunk.bytes(), (String[]) null));
  }

  @Override
  public Text next() throws IOException {
    while (lines.next(at, line)) {
      String where = "%s, the line at byte %,d".formatted(file, at.get());
      List<ChatMessage> messages =
          ConversationReader.ofLine(line.getBytes(), line.getLength(), format, where);
      if (messages != null) {
        return ConversationTexts.render(messages, template, where);
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }
}
