package org.sinklora.lora.safetensors;

/** A file that is not what the safetensors format says it must be, or not of a kind we read. */
public final class SafeTensorsException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  SafeTensorsException(String message) {
    super(message);
  }

  SafeTensorsException(String message, Throwable cause) {
    super(message, cause);
  }
}
