// The tokens of one answer in, its events out. The second half of ChatPipeline::run.
#pragma once

#include "chat/answer_memory.h"
#include "chat/output_parser.h"
#include "chat/prepare.h"
#include "engine/request.h"
#include "text/detokenizer.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

// Knows no engine, no thread and no wire: it is fed what an engine's stream gives, one event at a time, on any one
// thread.
class AnswerStream {
 public:
  // `tokenizer` must outlive the stream.
  AnswerStream(const Tokenizer& tokenizer, const PreparedChat& prepared);

  // The events that the token completes; none once done().
  std::vector<OutputEvent> feed(const TokenEvent& token);

  // The answer is complete before its end token: whoever feeds the stream cancels the request, then calls finish().
  bool done() const { return parser_.done(); }

  // The end: what was held back. `reason` is the engine's; what done() says comes before it. Call it once, last.
  std::vector<OutputEvent> finish(FinishReason reason);

  AnswerEnd end() const { return end_; }                                    // behind finish()
  const std::string* stop_string() const { return parser_.stop_string(); }  // that ended the answer, or null
  std::size_t thinking_tokens() const { return thinking_tokens_; }          // so far, </think> included
  OutputParser::Section section() const { return section_; }                // of the token that came last

 private:
  const Tokenizer& tokenizer_;
  Detokenizer detokenizer_;
  AnswerRecorder recorder_;
  OutputParser parser_;
  AnswerEnd end_ = AnswerEnd::end_token;
  OutputParser::Section section_ = OutputParser::Section::content;
  std::size_t thinking_tokens_ = 0;
};

}  // namespace glimt
