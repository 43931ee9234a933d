package org.sinklora.spark;

/**
 * A file or a folder of a {@link Storage}.
 *
 * @param path where it is
 * @param bytes its size; 0 for a folder
 * @param folder whether it is one
 * @param modified when it was last written, in milliseconds since 1970
 */
record StoredFile(String path, long bytes, boolean folder, long modified) {
  String name() {
    return Storage.name(path);
  }
}
