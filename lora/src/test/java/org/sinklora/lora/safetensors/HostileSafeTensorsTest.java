package org.sinklora.lora.safetensors;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class HostileSafeTensorsTest {
  @TempDir Path folder;

  private static byte[] file(String header, int dataBytes) {
    return file(header.getBytes(StandardCharsets.UTF_8), dataBytes);
  }

  private static byte[] file(byte[] header, int dataBytes) {
    return ByteBuffer.allocate(8 + header.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(header.length)
        .put(header)
        .array();
  }

  private static byte[] claiming(long headerBytes, int actualBytes) {
    return ByteBuffer.allocate(8 + actualBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(headerBytes)
        .array();
  }

  private static String tensor(String name, String dtype, String shape, String offsets) {
    return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}"
        .formatted(name, dtype, shape, offsets);
  }

  private static byte[] one(String dtype, String shape, String offsets, int dataBytes) {
    return file("{" + tensor("w", dtype, shape, offsets) + "}", dataBytes);
  }

  private static byte[] two(String firstOffsets, String secondOffsets, int dataBytes) {
    return file(
        "{"
            + tensor("a", "F32", "[2]", firstOffsets)
            + ","
            + tensor("b", "F32", "[2]", secondOffsets)
            + "}",
        dataBytes);
  }

  static Stream<Arguments> hostile() {
    String good = tensor("w", "F32", "[2]", "[0,8]");
    return Stream.of(
        arguments("empty", new byte[0], "0 bytes"),
        arguments("seven bytes", new byte[7], "7 bytes"),
        arguments("header beyond the file", claiming(100, 50), "cut short"),
        arguments("header one byte beyond", claiming(51, 50), "cut short"),
        arguments("header above the limit", claiming(100_000_001, 50), "limit of 100000000"),
        arguments("header of 2^63", claiming(Long.MIN_VALUE, 50), "9223372036854775808"),
        arguments("header of 2^64 - 1", claiming(-1, 50), "18446744073709551615"),
        arguments("header of 2^31", claiming(1L << 31, 50), "2147483648"),
        arguments("zip", "PK\3\4 and so on and on".getBytes(StandardCharsets.UTF_8), "limit"),
        arguments("no header", claiming(0, 0), "not a JSON object"),
        arguments("zeros", new byte[64], "header"),
        arguments("not JSON", file("{\"w\":", 0), "not valid JSON"),
        arguments("two values", file("{} {}", 0), "not valid JSON"),
        arguments("list", file("[]", 0), "not a JSON object"),
        arguments("UTF-16", file("{}".getBytes(StandardCharsets.UTF_16), 0), "not UTF-8"),
        arguments("bad UTF-8", file(new byte[] {'{', '"', (byte) 0xff, '"'}, 0), "not UTF-8"),
        arguments("deep", file("{\"w\":" + "[".repeat(100_000), 0), "not valid JSON"),
        arguments("duplicate", file("{" + good + "," + good + "}", 8), "uplicate"),
        arguments(
            "duplicate field",
            file("{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F16\"}}", 0),
            "uplicate"),
        arguments("metadata list", file("{\"__metadata__\":[]}", 0), "map of strings"),
        arguments("metadata value", file("{\"__metadata__\":{\"a\":1}}", 0), "__metadata__.a"),
        arguments("entry", file("{\"w\":5}", 0), "tensor w is 5"),
        arguments("no dtype", file("{\"w\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4), "missing"),
        arguments("unknown dtype", one("F31", "[2]", "[0,8]", 8), "F31"),
        arguments("case of dtype", one("f32", "[2]", "[0,8]", 8), "f32"),
        arguments("shape", one("F32", "\"2\"", "[0,8]", 8), "shape"),
        arguments("negative extent", one("F32", "[-2]", "[0,8]", 8), "-2 in shape"),
        arguments("negative extents", one("F32", "[-2,-1]", "[0,8]", 8), "-2 in shape"),
        arguments("fractional extent", one("F32", "[2.0]", "[0,8]", 8), "2.0 in shape"),
        arguments("extent of 2^64 + 2", one("F32", "[18446744073709551618]", "[0,8]", 8), "shape"),
        arguments("overflow", one("F32", "[4294967296,4294967296]", "[0,0]", 0), "64 bits"),
        arguments("overflow to 8", one("F32", "[2305843009213693953,2]", "[0,8]", 8), "64 bits"),
        arguments("overflow in bytes", one("F64", "[2305843009213693952]", "[0,0]", 0), "64 bits"),
        arguments("three offsets", one("F32", "[2]", "[0,8,8]", 8), "3 data_offsets"),
        arguments("no offsets", one("F32", "[2]", "{}", 8), "data_offsets"),
        arguments("negative offset", one("F32", "[2]", "[-8,0]", 8), "-8 in data_offsets"),
        arguments("backwards", one("F32", "[2]", "[8,0]", 8), "begins at 8, after its end"),
        arguments("beyond the file", one("F32", "[2]", "[0,8]", 7), "cut short"),
        arguments(
            "far beyond",
            one("U8", "[4611686018427387904]", "[0,4611686018427387904]", 8),
            "cut short"),
        arguments("too few bytes", one("F32", "[2]", "[0,4]", 4), "needs 8"),
        arguments("too many bytes", one("F32", "[2]", "[0,12]", 12), "needs 8"),
        arguments("trailing bytes", one("F32", "[2]", "[0,8]", 9), "1 more bytes"),
        arguments("trailing bytes alone", file("{}", 1), "1 more bytes"),
        arguments("hole at the start", one("F32", "[2]", "[4,12]", 12), "hole"),
        arguments("hole between", two("[0,8]", "[12,20]", 20), "hole after a"),
        arguments("same place", two("[0,8]", "[0,8]", 8), "overlaps a"),
        arguments("overlap", two("[0,8]", "[4,12]", 12), "overlaps a"),
        arguments("overlap in reverse", two("[4,12]", "[0,8]", 12), "overlaps b"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("hostile")
  void isRefused(String name, byte[] bytes, String expected) throws IOException {
    Path file = Files.write(folder.resolve("hostile.safetensors"), bytes);
    SafeTensorsException refusal =
        assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open(file));
    assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
    assertTrue(refusal.getMessage().contains("hostile.safetensors"), refusal.getMessage());
  }

  @Test
  void everyTruncationIsRefused() throws IOException {
    byte[] whole = two("[0,8]", "[8,16]", 16);
    for (int length = 0; length < whole.length; length++) {
      Path file = Files.write(folder.resolve("cut.safetensors"), Arrays.copyOf(whole, length));
      assertThrows(SafeTensorsException.class, () -> SafeTensorsFile.open(file));
    }
    Path file = Files.write(folder.resolve("whole.safetensors"), whole);
    SafeTensorsFile.open(file).close();
  }
}
