package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.sinklora.compute.Device;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.Quantization;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes an adapter in the form that another program reads. */
@Command(
    name = "export",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Writes an adapter, or the model merged with it, for other programs.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora export --adapter run/adapter --format peft --output peft/",
      "  sinklora export --adapter run/adapter --format merged --output merged/"
    })
public final class Export implements Callable<Integer> {
  /** What can be written. */
  enum Format {
    PEFT,
    LORA,
    MERGED
  }

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--adapter",
      paramLabel = "FOLDER",
      required = true,
      description = "Adapter that 'train' wrote, or any PEFT adapter folder.")
  private String adapter;

  @Option(
      names = "--model",
      paramLabel = "FOLDER",
      description = "Base model. Default: what the adapter names.")
  private String model;

  @Option(
      names = "--format",
      required = true,
      description =
          "peft: everything that was trained. lora: the low-rank weights alone, for servers that"
              + " reject modules_to_save. merged: a full model folder.")
  private Format format;

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      required = true,
      description = "Receives the files.")
  private String output;

  @Option(names = "--overwrite", description = "Replace the output folder.")
  private boolean overwrite;

  @Option(
      names = "--allow-lossy",
      description = "Let --format lora leave out modules that were trained whole.")
  private boolean allowLossy;

  @Mixin private DeviceOptions device;
  @Mixin private CommonOptions common;

  Export() {}

  /** Entry point for {@code spark-submit}. */
  public static void main(String[] arguments) {
    SinkLora.main(arguments, "export");
  }

  @Override
  public Integer call() throws Exception {
    Storage storage = Storage.here();
    String written =
        write(
            new Request(adapter, model, format, output, allowLossy),
            device.resolve().exact(),
            overwrite,
            storage);
    common.writeJson(
        new JsonMapper()
            .createObjectNode()
            .put("output", output)
            .put("format", format.name().toLowerCase(Locale.ROOT))
            .put(
                "context",
                AdapterFolder.model(adapter, model, storage)
                    .served(storage)
                    .config()
                    .contextLength()));
    spec.commandLine().getOut().println(written);
    return 0;
  }

  /** What to write from where to where. */
  record Request(String adapter, String model, Format format, String output, boolean allowLossy) {}

  /**
   * Writes and says what.
   *
   * @param choice what holds the weights meanwhile
   */
  static String write(Request request, DeviceChoice choice, boolean overwrite, Storage storage)
      throws IOException {
    String target = request.output();
    boolean merged = request.format() == Format.MERGED;
    String mark = merged ? "config.json" : "adapter_config.json";
    storage.checkOutput(target, overwrite, mark);
    ModelSource source =
        AdapterFolder.model(request.adapter(), request.model(), storage).served(storage);
    java.nio.file.Path from = storage.local(request.adapter());
    try (LocalFolder local = new LocalFolder();
        Device device = choice.open(0);
        CausalLm base = source.quantized(Quantization.NONE).load(storage, device);
        LoraAdapter loaded = LoraAdapter.load(from, base)) {
      java.nio.file.Path folder = local.path().resolve("export");
      switch (request.format()) {
        case PEFT -> loaded.save(folder);
        case LORA -> saveLora(loaded, folder, request.allowLossy());
        case MERGED -> base.withAdapter(loaded).saveMerged(folder);
      }
      if (!merged) {
        AdapterFolder.describe(request.adapter(), source, folder, storage);
      }
      storage.upload(folder, target, mark);
    }
    return merged
        ? "%s: the merged model, context %,d"
            .formatted(request.output(), source.config().contextLength())
        : "%s: the adapter as %s; serve it on %s with context %,d"
            .formatted(
                request.output(),
                request.format() == Format.PEFT ? "PEFT" : "LoRA weights alone",
                source.location(),
                source.config().contextLength());
  }

  private static void saveLora(LoraAdapter adapter, java.nio.file.Path folder, boolean allowLossy)
      throws IOException {
    try {
      adapter.saveLoraOnly(folder, allowLossy);
    } catch (IllegalStateException e) {
      throw new UserException(
          "--format lora would lose something: "
              + e.getMessage()
              + " (--format merged, or --allow-lossy)",
          e);
    }
  }
}
