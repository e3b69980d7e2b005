// Parts of answers that chat completions and completions share: words, numbers of tokens, probabilities.
#pragma once

#include "api/answer_writer.h"
#include "base/json.h"
#include "text/utf8.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// What all objects of a response begin with: {"id", "object", "created", "model", "system_fingerprint"}.
json::object openai_response(const AnswerHead& head, const std::string& id, std::string_view kind);

// What ends a stream that broke: an event with the error, and no [DONE].
std::string openai_stream_error(const AnswerHead& head, const Problem& problem);

// The chunk before the end of a stream with the numbers of tokens: "choices" is empty.
std::string openai_usage_chunk(json::object response, json::object usage);

inline constexpr std::string_view kOpenAiDone = "data: [DONE]\n\n";

// Text in pieces as whole characters. The model may end one thing inside of a character and begin another.
class Characters {
 public:
  std::string next(std::string_view bytes);  // what is complete
  std::string rest();                        // U+FFFD if a character is not, and nothing is left

 private:
  Utf8Assembler assembler_;
};

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
  Characters characters_;
  std::size_t offset_ = 0;
};

}  // namespace glimt
