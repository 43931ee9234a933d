package org.sinklora.spark;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The whole way on a small example. */
@Command(name = "demo", mixinStandardHelpOptions = true)
public final class Demo implements Callable<Integer> {
  @Mixin private CommonOptions common;

  Demo() {}

  @Override
  public Integer call() throws Exception {
    return 0;
  }
}
