package org.sinklora.spark;

/**
 * What a round of training took.
 *
 * @param seconds of the whole round, from the adapter before it to the adapter after it
 * @param computeSeconds of these what the tasks computed, at least, and what the driver updated as
 *     it would without tasks; the rest is what the distribution adds
 * @param bytesDown of what is broadcast, to each executor
 * @param bytesUp of what the tasks sent, and of sums of it on their way to the driver
 */
record RoundCost(double seconds, double computeSeconds, long bytesDown, long bytesUp) {}
