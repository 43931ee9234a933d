package org.sinklora.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Finds the answers in a rendered conversation: by the marks of a template that sets some; else by
 * the loop that writes the turns, in a few renderings; else, where no loop can be followed, by
 * rendering the conversation up to each answer, in quadratic time.
 */
final class AnswerPlaces {
  /** What templates look for to leave thoughts out. */
  private static final String END_OF_THOUGHTS = "</think>";

  private final ChatTemplate template;
  private final Conversation conversation;
  private final List<ChatMessage> messages;
  private final boolean marksAnswers;
  private final String whole;

  /**
   * @param marksAnswers whether the template says itself what is generated
   * @throws IOException if the template can't render the conversation
   */
  AnswerPlaces(ChatTemplate template, Conversation conversation, boolean marksAnswers)
      throws IOException {
    this.template = template;
    this.conversation = conversation;
    this.messages = conversation.messages();
    this.marksAnswers = marksAnswers;
    this.whole = template.render(conversation, false);
  }

  AnsweredText find() throws IOException {
    MarkedText marked =
        MarkedText.canHold(whole) ? template.renderMarked(conversation, false) : null;
    boolean isClear = marked != null && marked.text().equals(whole);
    List<MarkedText.Span> answers;
    if (marksAnswers) {
      if (!isClear) {
        throw new IOException(
            "What the chat template marks with {% generation %} can't be found in the text: the template works on what it has marked, or the conversation has the character U+FDD0; choose another with --chat-template");
      }
      answers = generated(marked);
    } else {
      answers = isClear ? ofTurns(marked) : null;
      answers = answers == null ? ofPrefixes() : answers;
    }
    return new AnsweredText(whole, codePoints(answers));
  }

  private static List<MarkedText.Span> generated(MarkedText marked) throws IOException {
    List<MarkedText.Span> answers =
        marked.generated().stream().filter(answer -> answer.start() < answer.end()).toList();
    if (answers.isEmpty()) {
      throw new IOException(
          "The chat template has {% generation %}, but marks no answer of this conversation with it; choose another with --chat-template");
    }
    return answers;
  }

  /**
   * Takes what the loop wrote in the turn of each answer, less what the prompt for an answer ends
   * with. What the template writes behind the last turn belongs to each answer that it stands
   * behind: an EOS, for one.
   *
   * @return null if an answer can't be told so
   */
  private List<MarkedText.Span> ofTurns(MarkedText marked) throws IOException {
    String introduction = introduction();
    MarkedText.Span last = marked.turn(messages.size() - 1);
    if (introduction == null || last == null) {
      return null;
    }
    String ending = whole.substring(last.end());
    List<MarkedText.Span> answers = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      if (!messages.get(i).isAnswer()) {
        continue;
      }
      MarkedText.Span turn = marked.turn(i);
      if (turn == null || !whole.startsWith(introduction, turn.start())) {
        return null;
      }
      int start = turn.start() + introduction.length();
      int end = turn.end() + (whole.startsWith(ending, turn.end()) ? ending.length() : 0);
      if (start >= turn.end() || !saysAnswer(whole.substring(start, turn.end()), i)) {
        return null;
      }
      end = stripped(start, end);
      answers.add(new MarkedText.Span(start, end));
    }
    return answers;
  }

  /** What the template writes before an answer when it asks for one; null if that is unclear. */
  private String introduction() throws IOException {
    int first = 0;
    while (!messages.get(first).isAnswer()) {
      first++;
    }
    if (first == 0) {
      return null;
    }
    Conversation question = conversation.first(first);
    MarkedText asking = template.renderMarked(question, true);
    MarkedText telling = template.renderMarked(question, false);
    MarkedText.Span asked = asking == null ? null : asking.turn(first - 1);
    MarkedText.Span told = telling == null ? null : telling.turn(first - 1);
    if (asked == null || told == null) {
      return null;
    }
    // A template may write it in the loop's last round as well as behind the loop.
    String turn = telling.text().substring(told.start(), told.end());
    return asking.text().startsWith(turn, asked.start())
        ? asking.text().substring(asked.start() + turn.length())
        : null;
  }

  /** Whether the last words of the answer are there; a template may leave out its thoughts. */
  private boolean saysAnswer(String turn, int message) {
    String content = messages.get(message).content();
    if (content == null || content.isBlank()) {
      return !turn.isBlank();
    }
    int thoughts = content.lastIndexOf(END_OF_THOUGHTS);
    String said = thoughts < 0 ? content : content.substring(thoughts + END_OF_THOUGHTS.length());
    String end = said.stripTrailing();
    return turn.contains(end.substring(end.lastIndexOf('\n') + 1).strip());
  }

  /**
   * An answer begins where the prompt for it ends and ends where the conversation up to it does.
   */
  private List<MarkedText.Span> ofPrefixes() throws IOException {
    List<MarkedText.Span> answers = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      if (!messages.get(i).isAnswer()) {
        continue;
      }
      String prompt = template.render(conversation.first(i), true);
      String answered = template.render(conversation.first(i + 1), false).stripTrailing();
      if (!answered.startsWith(prompt) || !whole.startsWith(answered)) {
        throw new IOException(
            "The chat template changes what stands before answer %d once it is given, so that the answer can't be told from the prompt; choose another with --chat-template: llama2, alpaca, chatml or a file"
                .formatted(i + 1));
      }
      answers.add(new MarkedText.Span(prompt.length(), answered.length()));
    }
    return answers;
  }

  private int stripped(int start, int end) {
    return start + whole.substring(start, end).stripTrailing().length();
  }

  private int[] codePoints(List<MarkedText.Span> answers) {
    int[] bounds = new int[2 * answers.size()];
    int unit = 0;
    int point = 0;
    for (int i = 0; i < bounds.length; i++) {
      MarkedText.Span answer = answers.get(i / 2);
      int next = i % 2 == 0 ? answer.start() : answer.end();
      point += whole.codePointCount(unit, next);
      unit = next;
      bounds[i] = point;
    }
    return bounds;
  }
}
