package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.bytedeco.javacpp.Loader;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The application jar has all of ours and nothing of Spark's. */
@Tag("application")
class ApplicationJarTest {
  /** What a Spark distribution brings; a second copy in other versions would get in its way. */
  private static final List<String> PROVIDED =
      List.of(
          "org/apache/spark/",
          "org/apache/hadoop/",
          "org/apache/log4j/",
          "org/apache/logging/",
          "org/slf4j/",
          "scala/",
          "com/google/common/",
          "com/fasterxml/jackson/core/",
          "com/fasterxml/jackson/databind/");

  @Test
  void itHasOursAndNothingOfSpark() throws IOException {
    try (JarFile jar = ApplicationJar.open()) {
      assertEquals(
          SinkLora.class.getName(),
          jar.getManifest().getMainAttributes().getValue(Attributes.Name.MAIN_CLASS));
      for (Class<?> main :
          List.of(
              SinkLora.class,
              Train.class,
              org.sinklora.compute.Device.class,
              org.sinklora.sfattn.AttentionPattern.class,
              org.sinklora.data.BundledModel.class,
              org.sinklora.lora.CausalLm.class,
              org.sinklora.h2o.Generator.class)) {
        assertHas(jar, main.getName().replace('.', '/') + ".class");
      }
      assertHas(jar, "org/sinklora/data/javalm-5m/model.safetensors");
      for (String library :
          List.of(
              "com/hubspot/jinjava/Jinjava",
              "com/hubspot/algebra/Result",
              "com/google/re2j/Pattern",
              "com/googlecode/ipv6/IPv6Address",
              "ch/obermuhlner/math/big/BigDecimalMath",
              "com/fasterxml/jackson/datatype/jdk8/Jdk8Module")) {
        assertHas(jar, library + ".class");
      }
      assertHas(jar, "com/samskivert/mustache/Mustache.class");
      assertTrue(jar.stream().anyMatch(entry -> entry.getName().endsWith("/uPlot.iife.min.js")));
      List<String> foreign =
          jar.stream()
              .map(JarEntry::getName)
              .filter(name -> PROVIDED.stream().anyMatch(name::startsWith))
              .filter(name -> !name.endsWith("/"))
              .toList();
      assertEquals(List.of(), foreign);
    }
  }

  @Test
  void itHasTheNativeLibrariesOfThisPlatform() throws IOException {
    String platform = Loader.getPlatform();
    try (JarFile jar = ApplicationJar.open()) {
      for (String folder :
          List.of(
              "org/nd4j/linalg/cpu/nativecpu/bindings/" + platform + "/",
              "org/bytedeco/openblas/" + platform + "/",
              "org/bytedeco/javacpp/" + platform + "/",
              "native/lib/")) {
        assertTrue(
            jar.stream()
                .map(JarEntry::getName)
                .anyMatch(name -> name.startsWith(folder) && isLibrary(name)),
            folder);
      }
      List<String> platforms =
          jar.stream()
              .map(JarEntry::getName)
              .filter(name -> name.startsWith("native/lib/") && isLibrary(name))
              .map(name -> name.split("/")[2])
              .distinct()
              .toList();
      assertEquals(1, platforms.size(), "tokenizers of one platform: " + platforms);
    }
  }

  private static boolean isLibrary(String name) {
    return name.matches(".*\\.(so|dylib|dll)(\\.\\d+)*");
  }

  /** Two jars register ND4J's and Jackson's services under the same names. */
  @Test
  void servicesOfAllJarsAreRegistered() throws IOException {
    try (JarFile jar = ApplicationJar.open()) {
      String backends = "META-INF/services/org.nd4j.linalg.factory.Nd4jBackend";
      assertHas(jar, backends);
      try (InputStream in = jar.getInputStream(jar.getEntry(backends))) {
        String names = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(names.contains("org.nd4j.linalg.cpu.nativecpu.CpuBackend"), names);
      }
    }
  }

  @Test
  void whatIsLeftOnTheClassPathIsSparks() throws IOException {
    String provided = ApplicationJar.providedClassPath();
    assertTrue(provided.contains("spark-core"));
    for (String ours : List.of("sinklora-", "nd4j-", "javacpp-", "openblas-", "picocli-", "djl")) {
      assertFalse(provided.contains(ours), ours);
    }
  }

  private static void assertHas(JarFile jar, String entry) {
    assertTrue(jar.getEntry(entry) != null, entry + " is missing");
  }
}
