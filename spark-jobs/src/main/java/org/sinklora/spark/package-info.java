/**
 * The Spark applications (prepare, train, evaluate, export) and the {@code sinklora} command line.
 *
 * <p>Where to begin reading, from what users call to what all else stands on:
 *
 * <ul>
 *   <li>Commands: {@code SinkLora} finds the class of a command, such as {@code Train}; {@code
 *       …Options} are options that several have.
 *   <li>Spark ML: {@code SinkLoraEstimator}, with {@code FrameTraining} and {@code FrameDataSet}
 *       behind it; {@code SinkLoraModel}, with {@code RowPerplexity} and {@code RowGeneration}.
 *   <li>Where work is done: {@code Place} is either {@code SparkPlace}, the executors' CPUs, or
 *       {@code DevicePlace}, a device of this process; {@code BarrierTraining} has the executors'
 *       GPUs.
 *   <li>Training: {@code TrainingRun} goes from data set to adapter, {@code TrainingLoop} from step
 *       to step. {@code TrainingSteps} does them: {@code TrainingRounds} with a Spark job each,
 *       {@code LocalRounds} with several steps between two exchanges, {@code DeviceSteps} alone.
 *       {@code RoundValues} and {@code RoundSum} travel, {@code Checkpoints} stay.
 *   <li>Preparation: {@code Preparation} cuts inputs into {@code TextChunk}s, surveys them ({@code
 *       TextSurvey}), leaves duplicates out ({@code TextSelection}) and writes {@code TokenParts};
 *       {@code TokenPreparation} does without Spark.
 *   <li>Data: {@code TokenDataSet} is what training and evaluation read, {@code SequenceFeed} draws
 *       the sequences of a run.
 *   <li>Evaluation: {@code PerplexityEvaluation} over the windows of {@code EvaluationWindows}.
 *   <li>Observation: {@code MetricsLog}, from which {@code TrainingReport} is made; {@code
 *       TensorBoardLog}, {@code MetricsPlugin}, {@code JobDescription}.
 *   <li>Models: {@code ModelSource} is a base model wherever it lies, {@code AdapterFolder} an
 *       adapter; {@code ExecutorModels} and {@code TaskWorkers} keep them in executors.
 *   <li>Storage: {@code Storage} is any Hadoop file system, or local files without Spark.
 * </ul>
 *
 * <p>What goes wrong because of a user's input or machine is a {@code UserException}.
 */
package org.sinklora.spark;
