package org.sinklora.data;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;

/** {@code {% generation %}} of Transformers: writes its body, which is what a model generates. */
final class GenerationTag implements Tag {
  private static final long serialVersionUID = 1;

  private final boolean marking;

  /**
   * @param marking whether marks stand around the body
   */
  GenerationTag(boolean marking) {
    this.marking = marking;
  }

  @Override
  public String getName() {
    return "generation";
  }

  @Override
  public String getEndTagName() {
    return "endgeneration";
  }

  @Override
  public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
    StringBuilder body = new StringBuilder();
    for (Node child : tag.getChildren()) {
      body.append(child.render(interpreter).getValue());
    }
    return marking ? MarkedText.GENERATED + body + MarkedText.GENERATED_END : body.toString();
  }
}
