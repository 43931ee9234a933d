package org.sinklora.spark;

import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.api.InitContext;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.Type;
import org.sinklora.data.Document;

/** The texts of the row groups of a Parquet file that lie in a range of it; nulls are left out. */
final class ParquetTextReader implements ChunkReader {
  private final String file;
  private final ParquetReader<Group> rows;

  ParquetTextReader(TextChunk chunk, String column) throws IOException {
    file = chunk.source().file();
    rows =
        ParquetReader.builder(new OneColumn(file, column), new Path(file))
            .withConf(new Configuration(HadoopSettings.here()))
            .withFileRange(chunk.start(), chunk.end())
            .build();
  }

  /** Reads one column of a file, which must be of strings. */
  private static final class OneColumn extends GroupReadSupport {
    private final String file;
    private final String column;

    OneColumn(String file, String column) {
      this.file = file;
      this.column = column;
    }

    @Override
    public ReadContext init(InitContext context) {
      MessageType schema = context.getFileSchema();
      if (!schema.containsField(column)) {
        throw new UserException(
            "%s has no column '%s'; it has %s; name the one with the text with --text-field"
                .formatted(file, column, schema.getFields().stream().map(Type::getName).toList()));
      }
      Type type = schema.getType(column);
      if (!type.isPrimitive()
          || type.isRepetition(Type.Repetition.REPEATED)
          || type.asPrimitiveType().getPrimitiveTypeName()
              != PrimitiveType.PrimitiveTypeName.BINARY) {
        throw new UserException(
            "The column '%s' of %s is '%s', no text; name the one with the text with --text-field"
                .formatted(column, file, type));
      }
      return new ReadContext(new MessageType(schema.getName(), type));
    }
  }

  @Override
  public Text next() throws IOException {
    for (Group row = read(); row != null; row = read()) {
      if (row.getFieldRepetitionCount(0) > 0) {
        return Text.of("", Document.ofContent(row.getString(0, 0)));
      }
    }
    return null;
  }

  /** The library names no file, and what a cut one holds it takes for numbers. */
  private Group read() throws IOException {
    try {
      return rows.read();
    } catch (UserException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      throw new IOException(
          "%s can't be read as Parquet (%s); if it is cut short or damaged, copy it again"
              .formatted(file, FailureReport.oneLine(FailureReport.describe(e))));
    }
  }

  @Override
  public void close() throws IOException {
    rows.close();
  }
}
