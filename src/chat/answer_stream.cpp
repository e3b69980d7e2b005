#include "chat/answer_stream.h"

#include <iterator>
#include <utility>

namespace glimt {
namespace {

void append(std::vector<OutputEvent>& events, std::vector<OutputEvent> more) {
  events.insert(events.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

AnswerEnd end_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop: return AnswerEnd::end_token;
    case FinishReason::length: return AnswerEnd::length;
    case FinishReason::repetition: return AnswerEnd::repetition;
    case FinishReason::cancelled: return AnswerEnd::cancelled;
  }
  return AnswerEnd::end_token;
}

}  // namespace

AnswerStream::AnswerStream(const Tokenizer& tokenizer, const PreparedChat& prepared)
    : tokenizer_(tokenizer),
      detokenizer_(tokenizer, ControlText::hide_special),
      recorder_(prepared.recorder()),
      parser_(prepared.output()) {}

std::vector<OutputEvent> AnswerStream::feed(const TokenEvent& token) {
  if (done()) return {};
  recorder_.push(tokenizer_, token.token);
  section_ = parser_.section();
  if (section_ == OutputParser::Section::thinking) ++thinking_tokens_;
  const TokenText parts = detokenizer_.push_parted(token.token);
  std::vector<OutputEvent> events = parser_.feed(parts.text);
  if (parts.control.empty()) return events;
  const std::optional<GlmTag> tag = glm_tag(parts.control);
  append(events, tag ? parser_.feed(*tag) : parser_.feed(parts.control));
  if (parser_.section() == OutputParser::Section::call) section_ = OutputParser::Section::call;
  return events;
}

std::vector<OutputEvent> AnswerStream::finish(FinishReason reason) {
  recorder_.finish();
  std::vector<OutputEvent> events = parser_.feed(detokenizer_.finish());
  append(events, parser_.finish());
  end_ = stop_string() != nullptr ? AnswerEnd::stop_string : done() ? AnswerEnd::one_call : end_of(reason);
  return events;
}

}  // namespace glimt
