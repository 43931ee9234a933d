package org.sinklora.data;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/** Hugging Face's own tokenizer library, called through DJL. */
final class DjlTokenizer implements Tokenizer {
  static {
    // Before a class of DJL is loaded: otherwise it calls a metadata address when it starts, and on
    // a machine with a GPU it looks for a CUDA build of the library, which the jar does not hold.
    setIfAbsent("ai.djl.offline", "true");
    setIfAbsent("OPT_OUT_TRACKING", "true");
  }

  private final HuggingFaceTokenizer delegate;
  private final TokenizerJson json;
  private final SpecialTokens special;
  private final int vocabularySize;
  private final String fingerprint;
  // The native object is freed by close, so close has to wait for the calls under way.
  private final ReadWriteLock lifetime = new ReentrantReadWriteLock();
  private boolean closed;

  /** Knows neither BOS nor EOS; null until a text spells one. */
  private HuggingFaceTokenizer unbounded;

  private DjlTokenizer(HuggingFaceTokenizer delegate, TokenizerJson json, SpecialTokens special) {
    this.delegate = delegate;
    this.json = json;
    this.special = special;
    this.vocabularySize = json.vocabularySize();
    this.fingerprint = json.fingerprint(special);
  }

  static DjlTokenizer load(Path modelFolder) throws IOException {
    TokenizerJson json = TokenizerJson.read(modelFolder);
    SpecialTokens special = SpecialTokens.read(modelFolder, json);
    HuggingFaceTokenizer delegate;
    try {
      delegate = open(json.bytes());
    } catch (EngineException e) {
      throw new IOException(
          "The native tokenizers library can't be loaded on %s %s (%s); it is unpacked below ~/.djl.ai, or below the writable folder that -DENGINE_CACHE_DIR names"
              .formatted(System.getProperty("os.name"), System.getProperty("os.arch"), e),
          e);
    } catch (RuntimeException e) {
      throw new IOException(
          json.file() + " is no tokenizer that the tokenizers library reads: " + e.getMessage(), e);
    }
    return new DjlTokenizer(delegate, json, special);
  }

  private static HuggingFaceTokenizer open(byte[] json) throws IOException {
    // Without truncation=false DJL cuts every text at 512 ids.
    Map<String, String> options =
        Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false");
    return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), options);
  }

  private static void setIfAbsent(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  @Override
  public int[] encode(String text) {
    return encoded(
        () -> delegate, text, encoding -> ids(TokenizersLibrary.LIB.getTokenIds(encoding)));
  }

  @Override
  public int[] encodeContent(String text) {
    int[] ids = encode(text);
    if (!hasBound(ids)) {
      return ids;
    }
    int[] content =
        encoded(
            this::unbounded, text, encoding -> ids(TokenizersLibrary.LIB.getTokenIds(encoding)));
    if (hasBound(content)) {
      throw new IllegalArgumentException(
          "%s makes its BOS or EOS of a text that spells it, also where it is taken as text; remove it from the text"
              .formatted(json.file()));
    }
    return content;
  }

  private boolean hasBound(int[] ids) {
    int bos = special.bos().orElse(-1);
    int eos = special.eos().orElse(-1);
    return IntStream.of(ids).anyMatch(id -> id == bos || id == eos);
  }

  private synchronized HuggingFaceTokenizer unbounded() {
    if (unbounded == null) {
      try {
        unbounded = open(json.withoutBounds(special));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return unbounded;
  }

  @Override
  public Spans encodeSpans(String text) {
    return encoded(
        () -> delegate,
        text,
        encoding ->
            spans(
                ids(TokenizersLibrary.LIB.getTokenIds(encoding)),
                TokenizersLibrary.LIB.getTokenCharSpans(encoding)));
  }

  private static Spans spans(int[] ids, CharSpan[] spans) {
    int[] starts = new int[spans.length];
    int[] ends = new int[spans.length];
    for (int i = 0; i < spans.length; i++) {
      // A token that the library itself put in stands nowhere: behind the one before.
      int before = i == 0 ? 0 : ends[i - 1];
      starts[i] = spans[i] == null ? before : spans[i].getStart();
      ends[i] = spans[i] == null ? before : spans[i].getEnd();
    }
    return new Spans(ids, starts, ends);
  }

  /**
   * Takes from an encoding what is wanted. DJL's own {@code encode} copies all there is, a string
   * for each token included, which costs a quarter of the time.
   */
  private <T> T encoded(
      Supplier<HuggingFaceTokenizer> tokenizer, String text, LongFunction<T> wanted) {
    String encodable = withoutLoneSurrogates(text);
    lifetime.readLock().lock();
    try {
      requireOpen();
      long encoding = TokenizersLibrary.LIB.encode(tokenizer.get().getHandle(), encodable, false);
      try {
        return wanted.apply(encoding);
      } finally {
        TokenizersLibrary.LIB.deleteEncoding(encoding);
      }
    } finally {
      lifetime.readLock().unlock();
    }
  }

  private static int[] ids(long[] ids) {
    int[] result = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      result[i] = Math.toIntExact(ids[i]);
    }
    return result;
  }

  @Override
  public String decode(int[] ids) {
    long[] wide = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      // The library would leave such an id out without a word.
      if (ids[i] < 0 || ids[i] >= vocabularySize) {
        throw new IllegalArgumentException(
            "Token id %d at position %d is outside the vocabulary of %,d; do the ids come from another tokenizer?"
                .formatted(ids[i], i, vocabularySize));
      }
      wide[i] = ids[i];
    }
    lifetime.readLock().lock();
    try {
      requireOpen();
      return delegate.decode(wide, false);
    } finally {
      lifetime.readLock().unlock();
    }
  }

  /** Replaces as {@code String.getBytes} does; the native library would fail on them. */
  private static String withoutLoneSurrogates(String text) {
    StringBuilder copy = null;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!Character.isSurrogate(c)) {
        continue;
      }
      if (Character.isSupplementaryCodePoint(text.codePointAt(i))) {
        i++;
      } else {
        copy = copy == null ? new StringBuilder(text) : copy;
        copy.setCharAt(i, '?');
      }
    }
    return copy == null ? text : copy.toString();
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("The tokenizer is closed");
    }
  }

  @Override
  public OptionalInt bosId() {
    return special.bos();
  }

  @Override
  public OptionalInt eosId() {
    return special.eos();
  }

  @Override
  public OptionalInt padId() {
    return special.pad();
  }

  @Override
  public int vocabularySize() {
    return vocabularySize;
  }

  @Override
  public String fingerprint() {
    return fingerprint;
  }

  @Override
  public void close() {
    lifetime.writeLock().lock();
    try {
      if (!closed) {
        closed = true;
        delegate.close();
        if (unbounded != null) {
          unbounded.close();
        }
      }
    } finally {
      lifetime.writeLock().unlock();
    }
  }
}
