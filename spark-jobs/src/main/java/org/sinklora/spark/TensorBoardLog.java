package org.sinklora.spark;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.zip.CRC32C;
import org.sinklora.lora.StepResult;

/**
 * The curves of a run as an event file of TensorBoard: records of {@code tensorflow.Event}, each
 * between its length and its checksum (TensorFlow's {@code event.proto}, {@code summary.proto} and
 * {@code record_writer.h}). A run that is resumed begins another file beside the first.
 *
 * <p>Written by hand since it is five kinds of field: no maintained library writes such files
 * without TensorFlow itself, and those of Protocol Buffers would not fit into a GPU bundle.
 */
final class TensorBoardLog implements AutoCloseable {
  private static final String VERSION = "brain.Event:2";

  /** Fields of {@code Event}. */
  private static final int WALL_TIME = 1;

  private static final int STEP = 2;
  private static final int FILE_VERSION = 3;
  private static final int SUMMARY = 5;
  private static final int SESSION_LOG = 7;

  /** Fields of {@code Summary}, {@code Summary.Value} and {@code SessionLog}. */
  private static final int VALUE = 1;

  private static final int TAG = 1;
  private static final int SIMPLE_VALUE = 2;
  private static final int STATUS = 1;
  private static final int START = 1;

  private static final int MASK = 0xa282ead8;

  private final OutputStream out;

  /**
   * Begins a file.
   *
   * @param folder of the run's event files
   * @param stepsDone what was written of later steps, which are done again, TensorBoard drops
   */
  TensorBoardLog(Storage storage, String folder, long stepsDone) throws IOException {
    // TensorBoard reads the files in the order of their names.
    String name =
        String.format(
            Locale.ROOT,
            "events.out.tfevents.%010d.sinklora.%08d",
            System.currentTimeMillis() / 1000,
            stepsDone);
    out = storage.create(Storage.child(folder, name));
    write(event(0).text(FILE_VERSION, VERSION));
    write(event(stepsDone + 1).message(SESSION_LOG, new ProtobufMessage().integer(STATUS, START)));
  }

  void add(StepResult step, double tokensPerSecond, long memoryBytes) throws IOException {
    ProtobufMessage summary =
        new ProtobufMessage()
            .message(VALUE, scalar("loss", step.loss()))
            .message(VALUE, scalar("learning_rate", step.learningRate()))
            .message(VALUE, scalar("grad_norm", step.gradNorm()))
            .message(VALUE, scalar("tokens_per_second", tokensPerSecond))
            .message(VALUE, scalar("memory_mib", memoryBytes >> 20));
    write(event(step.step()).message(SUMMARY, summary));
  }

  private static ProtobufMessage event(long step) {
    return new ProtobufMessage()
        .doubleValue(WALL_TIME, System.currentTimeMillis() / 1e3)
        .integer(STEP, step);
  }

  private static ProtobufMessage scalar(String tag, double value) {
    return new ProtobufMessage().text(TAG, tag).floatValue(SIMPLE_VALUE, (float) value);
  }

  private void write(ProtobufMessage event) throws IOException {
    byte[] data = event.toBytes();
    ByteBuffer record =
        ByteBuffer.allocate(Long.BYTES + Integer.BYTES + data.length + Integer.BYTES)
            .order(ByteOrder.LITTLE_ENDIAN);
    record.putLong(data.length);
    record.putInt(checksum(record.array(), Long.BYTES));
    record.put(data);
    record.putInt(checksum(data, data.length));
    out.write(record.array());
    out.flush();
  }

  /** CRC-32C, turned and shifted so that a checksum of data with checksums in it is sound. */
  private static int checksum(byte[] bytes, int count) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, 0, count);
    return Integer.rotateRight((int) crc.getValue(), 15) + MASK;
  }

  @Override
  public void close() throws IOException {
    out.close();
  }
}
