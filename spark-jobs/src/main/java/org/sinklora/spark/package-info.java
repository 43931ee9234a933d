/**
 * The Spark applications (prepare, train, evaluate, export) and the {@code sinklora} command line.
 */
package org.sinklora.spark;
