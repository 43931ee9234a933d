/** JMH benchmarks; each says what it measures and on which input. */
package org.sinklora.bench;
