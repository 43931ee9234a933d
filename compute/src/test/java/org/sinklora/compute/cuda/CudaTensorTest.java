package org.sinklora.compute.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Shapes and addresses, which need no GPU. */
class CudaTensorTest {
  private static final long BASE = 0x7f00_0000_0000L;

  private static CudaTensor tensor(ElementType type, long... shape) {
    return CudaTensor.owning(CudaMemory.borrowed(null, BASE, 1 << 20), type, shape);
  }

  @Test
  void viewsCountInElements() {
    CudaTensor tensor = tensor(ElementType.BFLOAT16, 10, 8);
    assertEquals(160, tensor.bytes());
    CudaTensor rows = tensor.rows(3, 5);
    assertArrayEquals(new long[] {2, 8}, rows.shape());
    assertEquals(BASE + 3 * 8 * 2, rows.address());
    assertEquals(BASE + (3 * 8 + 5) * 2, rows.view(5, 2).address());
    assertEquals(BASE + 5 * 4, tensor(ElementType.FLOAT32, 10).view(5, 1).address());
    assertEquals(BASE + 5, tensor(ElementType.INT8, 10).view(5, 1).address());
  }

  @Test
  void viewsCannotLeaveTheTensor() {
    CudaTensor tensor = tensor(ElementType.FLOAT32, 10);
    assertThrows(IllegalArgumentException.class, () -> tensor.view(8, 3));
    assertThrows(IllegalArgumentException.class, () -> tensor.view(-1, 3));
    assertThrows(IllegalArgumentException.class, () -> tensor.view(4, 3).view(0, 4));
    assertThrows(IllegalArgumentException.class, () -> tensor.view(0, 0));
    assertThrows(IllegalArgumentException.class, () -> tensor.view(Long.MAX_VALUE, 3));
    assertThrows(
        ArithmeticException.class, () -> CudaTensor.sizeOf(new long[] {1L << 40, 1 << 30}));
  }

  @Test
  void matricesThatDoNotFitAreNamed() {
    CudaTensor a = tensor(ElementType.BFLOAT16, 2, 3);
    CudaTensor b = tensor(ElementType.BFLOAT16, 4, 5);
    CudaTensor c = tensor(ElementType.BFLOAT16, 2, 5);
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> MatmulShape.check(a, false, b, true, c));
    assertTrue(e.getMessage().contains("[2, 3] · [4, 5]ᵀ"), e.getMessage());
    MatmulShape.check(
        a, true, tensor(ElementType.BFLOAT16, 5, 2), true, tensor(ElementType.INT8, 3, 5));
    assertEquals(256, MatmulShape.alignment(BASE));
    assertEquals(2, MatmulShape.alignment(BASE + 6));
  }

  @Test
  void argumentsStandInSlotsOfTheirOwn() {
    KernelArguments arguments = new KernelArguments();
    arguments.set(tensor(ElementType.FLOAT32, 4).view(1, 2), 7, 1L << 40, 0.5f, null);
    assertEquals(BASE + 4, arguments.longAt(0));
    assertEquals(7, (int) arguments.longAt(1));
    assertEquals(1L << 40, arguments.longAt(2));
    assertEquals(0.5f, Float.intBitsToFloat((int) arguments.longAt(3)));
    assertEquals(0, arguments.longAt(4));
    assertThrows(IllegalArgumentException.class, () -> arguments.set(1.0));
    assertThrows(
        IllegalArgumentException.class,
        () -> arguments.set(new Object[KernelArguments.LARGEST + 1]));
  }

  @Test
  void rowsAreSharedOutInPowersOfTwo() {
    assertEquals(new CudaNorms.Layout(8, 1, 512), CudaNorms.Layout.of(4096, 8));
    assertEquals(new CudaNorms.Layout(8, 4, 512), CudaNorms.Layout.of(11_008, 8));
    assertEquals(new CudaNorms.Layout(8, 1, 32), CudaNorms.Layout.of(48, 8));
    assertEquals(new CudaNorms.Layout(1, 16, 512), CudaNorms.Layout.of(4097, 1));
    assertEquals(new CudaNorms.Layout(1, 1, 32), CudaNorms.Layout.of(1, 1));
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> CudaNorms.Layout.of(70_000, 8));
    assertTrue(e.getMessage().contains("70000") && e.getMessage().contains("65536"));
  }

  @Test
  void tokensAreFoundByIdInTheirOrder() {
    CudaEmbedding.TokensById tokens = CudaEmbedding.TokensById.of(new int[] {5, 2, 5, 0, 2, 5});
    assertEquals(3, tokens.different());
    assertArrayEquals(
        new int[] {3, 1, 4, 0, 2, 5, /* starts */ 0, 1, 3, 6, /* ids */ 0, 2, 5}, tokens.packed());
  }
}
