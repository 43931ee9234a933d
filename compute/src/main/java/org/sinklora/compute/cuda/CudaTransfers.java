package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.cuMemcpyDtoHAsync;
import static org.bytedeco.cuda.global.cudart.cuMemcpyHtoDAsync;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/**
 * Copies between Java arrays and the GPU. Floats become bfloat16 and back on the GPU: what crosses
 * the bus is float32.
 */
final class CudaTransfers {
  /** Elements of four bytes that go over at a time. */
  private static final int RUN = 1 << 20;

  private final CudaDevice device;
  private final CudaContext context;
  private final PinnedRing ring;
  private final BytePointer bytes;
  private final FloatPointer floats;
  private final IntPointer ints;
  private final RawPointer host = new RawPointer();

  CudaTransfers(CudaDevice device, CudaContext context) {
    this.device = device;
    this.context = context;
    this.ring = new PinnedRing(context, RUN * Integer.BYTES);
    this.bytes = ring.bytes();
    this.floats = new FloatPointer(bytes);
    this.ints = new IntPointer(bytes);
  }

  void upload(float[] source, int at, CudaTensor destination) {
    begin("Numbers were uploaded");
    checkRange(source.length, at, destination);
    int size = (int) destination.size();
    for (int done = 0; done < size; done += RUN) {
      int count = Math.min(RUN, size - done);
      int room = ring.reserve(count * Float.BYTES);
      floats.position(room / Float.BYTES).put(source, at + done, count);
      CudaTensor part = destination.view(done, count);
      CudaTensor landing = landing(part);
      toDevice(room, landing);
      if (landing != part) {
        device.copy(landing, part);
      }
    }
  }

  void download(CudaTensor source, float[] destination, int at) {
    begin("Numbers were downloaded");
    checkRange(destination.length, at, source);
    int size = (int) source.size();
    for (int done = 0; done < size; done += RUN) {
      int count = Math.min(RUN, size - done);
      CudaTensor part = source.view(done, count);
      CudaTensor leaving = landing(part);
      if (leaving != part) {
        device.copy(part, leaving);
      }
      int room = toHost(leaving);
      floats.position(room / Float.BYTES).get(destination, at + done, count);
    }
  }

  void upload(int[] source, CudaTensor destination) {
    begin("Numbers were uploaded");
    checkType(ElementType.INT32, destination);
    checkRange(source.length, 0, destination);
    int size = (int) destination.size();
    for (int done = 0; done < size; done += RUN) {
      int count = Math.min(RUN, size - done);
      int room = ring.reserve(count * Integer.BYTES);
      ints.position(room / Integer.BYTES).put(source, done, count);
      toDevice(room, destination.view(done, count));
    }
  }

  int[] downloadInts(CudaTensor source) {
    begin("Numbers were downloaded");
    checkType(ElementType.INT32, source);
    int[] values = new int[Math.toIntExact(source.size())];
    for (int done = 0; done < values.length; done += RUN) {
      int count = Math.min(RUN, values.length - done);
      int room = toHost(source.view(done, count));
      ints.position(room / Integer.BYTES).get(values, done, count);
    }
    return values;
  }

  /** The double that begins at the tensor's first element. */
  double downloadDouble(CudaTensor source) {
    begin("A number was downloaded");
    int room = toHost(source.view(0, Double.BYTES / source.type().bytes()));
    return bytes.getDouble(room);
  }

  private void begin(String what) {
    context.enter();
    context.refuseWhileCapturing(what);
  }

  /** Where float32 arrives or leaves from: the tensor itself, or a buffer to convert from or to. */
  private CudaTensor landing(CudaTensor part) {
    return switch (part.type()) {
      case FLOAT32 -> part;
      case BFLOAT16 -> device.scratch("transfers", ElementType.FLOAT32, RUN).view(0, part.size());
      default -> throw new IllegalArgumentException("Floats do not go into or out of " + part);
    };
  }

  private void toDevice(int room, CudaTensor destination) {
    context.check(
        cuMemcpyHtoDAsync(
            destination.address(),
            host.at(bytes.address() + room),
            destination.bytes(),
            context.stream()),
        "cuMemcpyHtoDAsync of " + destination);
  }

  /** Copies at most {@link #RUN} elements into the ring, waits, and says where they are. */
  private int toHost(CudaTensor source) {
    int room = ring.reserve((int) source.bytes());
    context.check(
        cuMemcpyDtoHAsync(
            host.at(bytes.address() + room), source.address(), source.bytes(), context.stream()),
        "cuMemcpyDtoHAsync of " + source);
    context.synchronize();
    return room;
  }

  private static void checkType(ElementType type, CudaTensor tensor) {
    if (tensor.type() != type) {
      throw new IllegalArgumentException("A tensor of " + type + " is needed, not " + tensor);
    }
  }

  private static void checkRange(int length, int at, CudaTensor tensor) {
    if (at < 0 || tensor.size() > length - at) {
      throw new IndexOutOfBoundsException(
          "%s does not fit an array of %d elements from %d on".formatted(tensor, length, at));
    }
  }

  void close() {
    ring.close();
  }
}
