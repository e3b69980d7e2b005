// Parts of answers that OpenAI's dialects share: words, numbers of tokens, probabilities.
#pragma once

#include "api/answer_writer.h"
#include "base/json.h"
#include "text/utf8.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// "length" for an answer that was cut, whatever came before; "tool_calls" only in place of "stop". `cut_on_the_wire`: a
// call was shown that then came to nothing (ToolCallCut::announced).
std::string_view openai_finish_reason(const AnswerSummary& summary, std::size_t calls, bool cut_on_the_wire);

// The usage of all choices of a response together: what was generated is summed, the prompt counts once.
class OpenAiUsage {
 public:
  void add(std::size_t choice, const AnswerSummary& summary);

  // `choices_a_prompt`: choices 0 to n-1 are of the first prompt, and so on.
  json::object to_json(std::size_t prompt_tokens, std::size_t choices_a_prompt) const;

 private:
  std::vector<AnswerSummary> summaries_;
};

// The probabilities of one choice's tokens. A token's text is the characters that it completes, so that all of them
// joined are the content; its bytes are its own.
class TokenLogprobs {
 public:
  json::array chat(const std::vector<ContentToken>& tokens);  // items of "logprobs": {"content": […]}

  // "logprobs" of a completion: {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, offsets in characters
  // since the choice began.
  json::object completion(const std::vector<ContentToken>& tokens);

 private:
  std::string text_of(const ContentToken& token);

  Utf8Assembler characters_;
  std::size_t offset_ = 0;
};

}  // namespace glimt
