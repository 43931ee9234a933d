package org.sinklora.spark;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.apache.parquet.schema.Types;

/**
 * Writes documents as {@code name}, {@code held_out}, {@code input_ids} and, of conversations,
 * {@code labels}.
 */
final class TokenPartWriter implements Closeable {
  private static final long ROW_GROUP_BYTES = 32 << 20;

  /** A document; labels are null for plain text. */
  private record Document(String name, boolean heldOut, int[] ids, int[] labels) {}

  private final ParquetWriter<Document> writer;

  /**
   * @param labels whether there are labels
   * @param counts for the footer, asked at the end
   */
  TokenPartWriter(
      String file,
      boolean labels,
      Configuration configuration,
      Supplier<Map<String, String>> counts)
      throws IOException {
    writer =
        new Builder(new Path(file), new Documents(labels, counts))
            .withConf(configuration)
            .withCompressionCodec(CompressionCodecName.SNAPPY)
            .withRowGroupSize(ROW_GROUP_BYTES)
            // A document can be as large as a page.
            .withMinRowCountForPageSizeCheck(1)
            .build();
  }

  /**
   * @param labels null for plain text
   */
  void write(String name, boolean heldOut, int[] ids, int[] labels) throws IOException {
    writer.write(new Document(name, heldOut, ids, labels));
  }

  @Override
  public void close() throws IOException {
    writer.close();
  }

  private static final class Builder extends ParquetWriter.Builder<Document, Builder> {
    private final Documents documents;

    Builder(Path file, Documents documents) {
      super(file);
      this.documents = documents;
    }

    @Override
    protected Builder self() {
      return this;
    }

    @Override
    protected WriteSupport<Document> getWriteSupport(Configuration configuration) {
      return documents;
    }
  }

  private static final class Documents extends WriteSupport<Document> {
    private final boolean labels;
    private final Supplier<Map<String, String>> counts;
    private RecordConsumer out;

    Documents(boolean labels, Supplier<Map<String, String>> counts) {
      this.labels = labels;
      this.counts = counts;
    }

    @Override
    public WriteContext init(Configuration configuration) {
      List<Type> columns = new ArrayList<>();
      columns.add(
          Types.required(PrimitiveTypeName.BINARY)
              .as(LogicalTypeAnnotation.stringType())
              .named("name"));
      columns.add(Types.required(PrimitiveTypeName.BOOLEAN).named("held_out"));
      columns.add(list("input_ids"));
      if (labels) {
        columns.add(list("labels"));
      }
      MessageType type = new MessageType("documents", columns);
      return new WriteContext(type, Map.of());
    }

    private static Type list(String name) {
      return Types.requiredList().requiredElement(PrimitiveTypeName.INT32).named(name);
    }

    @Override
    public FinalizedWriteContext finalizeWrite() {
      return new FinalizedWriteContext(counts.get());
    }

    @Override
    public void prepareForWrite(RecordConsumer consumer) {
      out = consumer;
    }

    @Override
    public void write(Document document) {
      out.startMessage();
      out.startField("name", 0);
      out.addBinary(Binary.fromString(document.name()));
      out.endField("name", 0);
      out.startField("held_out", 1);
      out.addBoolean(document.heldOut());
      out.endField("held_out", 1);
      list("input_ids", 2, document.ids());
      if (labels) {
        list("labels", 3, document.labels());
      }
      out.endMessage();
    }

    private void list(String name, int index, int[] values) {
      out.startField(name, index);
      out.startGroup();
      if (values.length > 0) {
        out.startField("list", 0);
        for (int value : values) {
          out.startGroup();
          out.startField("element", 0);
          out.addInteger(value);
          out.endField("element", 0);
          out.endGroup();
        }
        out.endField("list", 0);
      }
      out.endGroup();
      out.endField(name, index);
    }
  }
}
