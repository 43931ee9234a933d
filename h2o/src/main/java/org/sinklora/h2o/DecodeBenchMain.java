package org.sinklora.h2o;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.CausalLm;

/**
 * {@link DecodeBench} from the command line: {@code --model FOLDER --kv POLICY;POLICY… --lengths
 * 512,2000 --threads 2 --weights float32 --cache float32 --sequences 1 --tokens 500}. All are
 * optional; the model is the bundled one.
 */
public final class DecodeBenchMain {
  private DecodeBenchMain() {}

  public static void main(String[] arguments) throws IOException {
    CommandOptions options =
        CommandOptions.parse(
            arguments,
            Map.of(
                "--model", "",
                "--kv", "full;h2o:heavy=0.1,recent=0.1",
                "--lengths", "2000",
                "--threads", Integer.toString(Runtime.getRuntime().availableProcessors()),
                "--weights", "float32",
                "--cache", "float32",
                "--sequences", "1",
                "--tokens", "500"));
    String folder = options.text("--model");
    int threads = options.number("--threads");
    List<KvCachePolicy> policies =
        Arrays.stream(options.text("--kv").split(";", -1)).map(KvCachePolicy::parse).toList();
    List<Integer> lengths =
        Arrays.stream(options.text("--lengths").split(",", -1)).map(Integer::valueOf).toList();
    try (CpuDevice device = new CpuDevice(threads);
        CausalLm model =
            CausalLm.load(folder.isEmpty() ? BundledModel.folder() : Path.of(folder), device)) {
      DecodeBench bench =
          new DecodeBench(
              model,
              threads,
              WeightPrecision.valueOf(options.text("--weights").toUpperCase(Locale.ROOT)),
              CachePrecision.valueOf(options.text("--cache").toUpperCase(Locale.ROOT)),
              options.number("--sequences"),
              options.number("--tokens"));
      DecodeBench.print(bench.run(policies, lengths), System.out);
    }
  }
}
