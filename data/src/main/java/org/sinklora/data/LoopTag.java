package org.sinklora.data;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.ForTag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import com.hubspot.jinjava.tree.output.OutputNode;
import com.hubspot.jinjava.tree.output.RenderedOutputNode;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * {@code {% for %}} as in Python: what a round sets, the next one does not see. It can also mark in
 * its output where each message's turn begins.
 */
final class LoopTag extends ForTag {
  private static final long serialVersionUID = 1;

  private final boolean marking;

  LoopTag(boolean marking) {
    this.marking = marking;
  }

  @Override
  public String renderForCollection(
      TagNode tag, JinjavaInterpreter interpreter, List<String> variables, Object collection) {
    // A tree is parsed for each rendering; in a loop inside a loop the tag comes several times.
    if (!(tag.getChildren().peekFirst() instanceof RoundStart)) {
      tag.getChildren().addFirst(new RoundStart(tag, variables, marking));
    }
    String output = super.renderForCollection(tag, interpreter, variables, collection);
    return marking ? MarkedText.LOOP + output + MarkedText.LOOP_END : output;
  }

  private static final class RoundStart extends Node {
    private static final long serialVersionUID = 1;

    private final String variable;
    private final Set<String> ofLoop;
    private final boolean marking;

    RoundStart(TagNode loop, List<String> variables, boolean marking) {
      super(loop.getMaster(), loop.getLineNumber(), loop.getStartPosition());
      this.variable = variables.get(0);
      this.ofLoop = new HashSet<>(variables);
      this.ofLoop.add(LOOP);
      this.marking = marking;
    }

    @Override
    public OutputNode render(JinjavaInterpreter interpreter) {
      interpreter.getContext().getScope().keySet().retainAll(ofLoop);
      return new RenderedOutputNode(
          marking && interpreter.getContext().get(variable) instanceof MessageMap message
              ? MarkedText.turnMark(message.index())
              : "");
    }

    @Override
    public String getName() {
      return "round start";
    }
  }
}
