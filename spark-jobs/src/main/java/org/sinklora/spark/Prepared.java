package org.sinklora.spark;

/** A data set that was written, and what became of its texts. */
record Prepared(DataSetInfo info, QualityReport report) {}
