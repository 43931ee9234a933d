package org.sinklora.h2o;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
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
    Map<String, String> options = options(arguments);
    String folder = options.get("--model");
    int threads = Integer.parseInt(options.get("--threads"));
    List<KvCachePolicy> policies =
        Arrays.stream(options.get("--kv").split(";", -1)).map(KvCachePolicy::parse).toList();
    List<Integer> lengths =
        Stream.of(options.get("--lengths").split(",", -1)).map(Integer::valueOf).toList();
    try (CpuDevice device = new CpuDevice(threads);
        CausalLm model =
            CausalLm.load(folder.isEmpty() ? BundledModel.folder() : Path.of(folder), device)) {
      DecodeBench bench =
          new DecodeBench(
              model,
              threads,
              WeightPrecision.valueOf(options.get("--weights").toUpperCase(Locale.ROOT)),
              CachePrecision.valueOf(options.get("--cache").toUpperCase(Locale.ROOT)),
              Integer.parseInt(options.get("--sequences")),
              Integer.parseInt(options.get("--tokens")));
      DecodeBench.print(bench.run(policies, lengths), System.out);
    }
  }

  private static Map<String, String> options(String[] arguments) {
    Map<String, String> options =
        new TreeMap<>(
            Map.of(
                "--model", "",
                "--kv", "full;h2o:heavy=0.1,recent=0.1",
                "--lengths", "2000",
                "--threads", Integer.toString(Runtime.getRuntime().availableProcessors()),
                "--weights", "float32",
                "--cache", "float32",
                "--sequences", "1",
                "--tokens", "500"));
    for (int i = 0; i < arguments.length; i += 2) {
      if (!options.containsKey(arguments[i]) || i + 1 == arguments.length) {
        throw new IllegalArgumentException(
            "Unknown option, or one without value: %s; known are %s"
                .formatted(arguments[i], options.keySet()));
      }
      options.put(arguments[i], arguments[i + 1]);
    }
    return options;
  }
}
