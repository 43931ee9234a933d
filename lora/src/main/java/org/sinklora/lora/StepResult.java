package org.sinklora.lora;

/**
 * What one optimiser step did.
 *
 * @param step number of the step, counted from 1
 * @param loss mean loss of the step's predictions, before the update
 * @param learningRate the rate it used
 * @param gradNorm norm of all gradients before clipping
 * @param predictions number of tokens whose prediction bore loss
 */
public record StepResult(
    long step, double loss, double learningRate, double gradNorm, long predictions) {}
