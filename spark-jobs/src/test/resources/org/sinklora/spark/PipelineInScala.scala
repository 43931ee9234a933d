package org.sinklora.caller

import org.apache.spark.ml.{Pipeline, PipelineModel}
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.{DataFrame, Row}
import org.sinklora.spark.{SinkLoraEstimator, SinkLoraModel, SinkLoraOutputParams}

/** A caller in Scala, which ScalaCallerTest compiles and runs. */
object PipelineInScala {

  /** Perplexities by the fitted pipeline and by the one that was saved and loaded. */
  def run(texts: DataFrame, folder: String): Array[Array[Double]] = {
    val lora = new SinkLoraEstimator()
      .setInputCol("body")
      .setContext(64)
      .setLearningRate(3e-3)
      .setModulesToSave("norm", "input_layernorm")
    lora.set(lora.steps, 2L).set(lora.batchSize, 2)
    require(lora.getTargetModules.contains("q_proj"))
    val copied: SinkLoraEstimator = lora.copy(ParamMap(lora.rank -> 4))
    require(copied.getRank == 4 && lora.getRank == 8)

    val model = new Pipeline().setStages(Array(copied)).fit(texts)
    model.write.overwrite().save(folder)
    val loaded = PipelineModel.load(folder)
    val stage: SinkLoraModel = loaded.stages.head.asInstanceOf[SinkLoraModel]
    require(stage.getOutput == SinkLoraOutputParams.PERPLEXITY)
    Array(model, loaded.copy(ParamMap(stage.outputCol -> "perplexity"))).map { fitted =>
      fitted.transform(texts).sort("body").collect().map { case row: Row => row.getAs[Double]("perplexity") }
    }
  }
}
