package org.sinklora.lora;

/**
 * A trained parameter among the values of an adapter, as rows: those of a matrix, or a vector as
 * one row.
 *
 * @param name of the parameter
 * @param rows how many rows
 * @param columns elements of a row
 */
public record ParameterRows(String name, int rows, int columns) {}
