package org.sinklora.data;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.util.HasObjectTruthValue;

/**
 * A field of a message that is null: false, {@code none} and defined as Python's {@code None}. As a
 * text it is an error, where Jinjava would write "null".
 */
enum NoneField implements HasObjectTruthValue {
  NONE;

  @Override
  public boolean getObjectTruthValue() {
    return false;
  }

  @Override
  public String toString() {
    throw new IllegalArgumentException(
        "it writes out a field of a message that is null, such as the content of a message with tool_calls");
  }

  /** {@code is none}. */
  static final class Test implements ExpTest {
    @Override
    public String getName() {
      return "none";
    }

    @Override
    public boolean evaluate(Object value, JinjavaInterpreter interpreter, Object... arguments) {
      return value == null || value == NONE;
    }
  }
}
