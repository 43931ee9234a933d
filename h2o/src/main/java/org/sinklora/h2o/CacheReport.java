package org.sinklora.h2o;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What a cache held at a moment: for every layer and kv head the positions that were alive, with
 * their scores.
 *
 * @param policy the policy, its sizes in tokens
 * @param tokens everything the cache had read; a position is an index of it
 * @param heads layer by layer, kv head by kv head
 */
public record CacheReport(String policy, int[] tokens, List<Head> heads) {

  /**
   * One kv head of one layer.
   *
   * @param layer number of the layer
   * @param head number of the kv head
   * @param positions alive positions, ascending
   * @param scores the score of each, all 0 under a policy without scores
   */
  public record Head(int layer, int head, int[] positions, double[] scores) {}

  static CacheReport of(KvCache cache, int[] tokens) {
    List<Head> heads =
        IntStream.range(0, cache.layerCount())
            .boxed()
            .flatMap(
                layer ->
                    IntStream.range(0, cache.kvHeads())
                        .mapToObj(head -> head(layer, head, cache.slots(layer, head))))
            .toList();
    return new CacheReport(cache.policy().toString(), tokens, heads);
  }

  private static Head head(int layer, int head, CacheSlots slots) {
    int[] order =
        IntStream.range(0, slots.used())
            .filter(slots::isAlive)
            .boxed()
            .sorted((a, b) -> Integer.compare(slots.position(a), slots.position(b)))
            .mapToInt(Integer::intValue)
            .toArray();
    return new Head(
        layer,
        head,
        Arrays.stream(order).map(slots::position).toArray(),
        Arrays.stream(order).mapToDouble(slots::score).toArray());
  }

  /**
   * The report as JSON.
   *
   * @param pieces the text of each token; empty if it is not known
   */
  public ObjectNode toJson(List<String> pieces) {
    ObjectNode json = new JsonMapper().createObjectNode();
    json.put("policy", policy);
    ArrayNode ids = json.putArray("tokens");
    Arrays.stream(tokens).forEach(ids::add);
    ArrayNode texts = json.putArray("pieces");
    pieces.forEach(texts::add);
    ArrayNode list = json.putArray("heads");
    for (Head head : heads) {
      ObjectNode node = list.addObject();
      node.put("layer", head.layer()).put("head", head.head());
      ArrayNode positions = node.putArray("positions");
      Arrays.stream(head.positions()).forEach(positions::add);
      ArrayNode scores = node.putArray("scores");
      Arrays.stream(head.scores()).forEach(scores::add);
    }
    return json;
  }

  /**
   * The report as a web page that needs nothing else: the text, each token coloured by its score in
   * a layer and head of choice, or by how many heads have kept it.
   *
   * @param pieces the text of each token
   */
  public String toHtml(List<String> pieces) {
    return CacheReportPage.of(toJson(pieces).toString());
  }
}
