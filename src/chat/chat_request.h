// What a chat is asked for, independent of any wire format. Plain values.
#pragma once

#include "base/json.h"
#include "grammar/grammar.h"
#include "sampling/params.h"

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace glimt {

// What the answer has to be, behind the thinking if there is any. Where tools may be called, calls are as good an
// answer as JSON.
struct JsonObjectOutput {};
struct JsonSchemaOutput {
  json::value schema;
};
struct RegexOutput {
  std::string pattern;
};
struct LarkOutput {
  std::string source;
};
struct ToolCallOutput {  // calls of the request's tools
  ToolCallRules rules;
};
using OutputConstraint =
    std::variant<std::monostate, JsonObjectOutput, JsonSchemaOutput, RegexOutput, LarkOutput, ToolCallOutput>;

// Which of the request's tools may be called. All of them stay in the prompt, whatever this says.
struct ToolUse {
  bool banned = false;                    // none: the model cannot write <tool_call>
  std::vector<std::string> allowed = {};  // names; empty: all
  bool parallel = true;                   // false: the answer ends behind its first call
};

struct ChatRequest {
  // As normalized_messages and normalized_tools give them. Whoever takes them from outside normalizes them there, where
  // errors can name the place as the caller knows it; nothing behind that point looks at other forms again.
  json::array messages;
  json::array tools;              // without any, no markup is a call
  bool thinking = true;           // the template's enable_thinking
  json::object template_options;  // more for the template, e.g. {"clear_thinking": false}
  OutputConstraint constraint = {};
  ToolUse tool_use = {};
  SamplingParams sampling;
  std::size_t max_tokens = 0;       // 0: as many as the context holds
  std::size_t thinking_budget = 0;  // tokens of thinking after which it is closed; 0: no limit
  std::vector<std::string> stop;    // the content ends before the first of these
  bool stop_in_thinking = false;    // they end the answer in the thinking as well
  bool stream_calls = false;        // CallRules::streamed
};

}  // namespace glimt
