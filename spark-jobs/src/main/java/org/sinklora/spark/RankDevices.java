package org.sinklora.spark;

import java.io.Serializable;
import java.util.function.BooleanSupplier;
import org.apache.spark.TaskContext;
import org.sinklora.compute.Device;
import org.sinklora.lora.GradientExchange;

/** What the ranks of a barrier stage compute on, and how they exchange gradients. */
interface RankDevices extends Serializable {

  /**
   * The device of a task, for it alone.
   *
   * @throws UserException if it has none
   */
  Device open(TaskContext task);

  /** What must be the same on every rank for all to update alike. */
  String kind(Device device);

  /** The name of a new group of ranks; one rank makes it for all. */
  String newGroup();

  /**
   * Joins a group; returns when all ranks have, or later.
   *
   * @param givenUp asked while waiting for other ranks: whether to give up
   */
  GradientExchange join(String group, Device device, int rank, int ranks, BooleanSupplier givenUp);
}
