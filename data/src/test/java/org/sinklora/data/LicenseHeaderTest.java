package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class LicenseHeaderTest {
  private static void assertCut(String expected, String source) {
    assertEquals(expected, LicenseHeader.cut(source));
  }

  private static void assertKept(String source) {
    assertEquals(source, LicenseHeader.cut(source));
  }

  @Test
  void aBlockCommentIsCutWithTheBlankLinesAfterIt() {
    assertCut("package a;\n", "/*\n * Licensed to you\n */\n\n \t\npackage a;\n");
    assertCut("package a;", "/** Copyright 2020 */package a;");
    assertCut("package a;", "  \n\n/* LICENSE: the license */\npackage a;");
  }

  @Test
  void aRunOfLineCommentsIsCut() {
    assertCut("package a;\n", "// Copyright\n// text\n\npackage a;\n");
    assertCut("package a;\n", "// text\n  // a license\npackage a;\n");
    assertCut("", "// Copyright");
  }

  @Test
  void theRunEndsAtABlankLine() {
    assertCut("// second\npackage a;\n", "// Copyright\n\n// second\npackage a;\n");
    assertKept("// first\n\n// Copyright\npackage a;\n");
  }

  @Test
  void onlyTheFirstCommentCounts() {
    assertCut("/* License */\npackage a;", "/* License */\n/* License */\npackage a;");
    assertKept("/* text */\n/* License */\npackage a;");
    assertKept("// text\n/* License */\npackage a;");
    assertKept("package a; // License\n");
  }

  @Test
  void anyOtherStartIsKept() {
    assertKept("");
    assertKept("\n\n  package a;\n");
    assertKept("/* no rights mentioned */\npackage a;\n");
    assertKept("/* COPYRIGHT LICENSE in capitals */\npackage a;\n");
    assertKept("/* License without an end\npackage a;\n");
    assertKept("/*/ License without an end\npackage a;\n");
    assertKept("/ License\n");
  }

  @Test
  void theIndentationOfTheFirstLineStays() {
    assertCut("  int x;\n", "/* License */\n\n  int x;\n");
  }
}
