package org.sinklora.compute.cuda;

import org.bytedeco.javacpp.Pointer;

/** An address to hand to a native call; it can be moved, so that calls allocate nothing. */
final class RawPointer extends Pointer {
  RawPointer() {}

  RawPointer at(long newAddress) {
    address = newAddress;
    return this;
  }
}
