package org.sinklora.spark;

/**
 * A file or a folder of a {@link Storage}.
 *
 * @param path where it is
 * @param bytes its size; 0 for a folder
 * @param folder whether it is one
 */
record StoredFile(String path, long bytes, boolean folder) {
  String name() {
    return Storage.name(path);
  }
}
