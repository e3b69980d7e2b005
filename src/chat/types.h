// What goes into and comes out of a chat, independent of any wire format. The API layers translate to and from these.
#pragma once

#include "base/json.h"

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace glimt {

// One call that the model made. Arguments are in the order in which the model wrote them.
struct ToolCall {
  std::string name;
  json::object arguments;
};

// The model's answer as it streams. Deltas of one kind that follow each other mean the same as their concatenation.
struct ThinkingDelta {
  std::string text;
};
struct ContentDelta {
  std::string text;
};

// A call: one ToolCallStart, any number of ToolCallDelta, one ToolCallComplete, all of the same index and nothing
// between them. `index` counts the calls of one answer from 0. The deltas together are the arguments as JSON in one
// line, as dump_json writes them.
struct ToolCallStart {
  std::size_t index;
  std::string name;
};
struct ToolCallDelta {
  std::size_t index;
  std::string json;
};
struct ToolCallComplete {
  std::size_t index;
  ToolCall call;
};

// The answer ended inside of a call, or the call went wrong after its name: it is none. `text` is what the model wrote
// of it, tags included, and belongs to the content. `announced`: ToolCallStart and perhaps deltas of this index came
// before (CallRules::streamed alone does that), and a consumer that has shown them cannot take them back: it leaves
// them as they are, drops `text`, and tells that the answer was cut. The index is not used again then.
struct ToolCallCut {
  std::size_t index;
  std::string text;
  bool announced;
};

using OutputEvent =
    std::variant<ThinkingDelta, ContentDelta, ToolCallStart, ToolCallDelta, ToolCallComplete, ToolCallCut>;

// What ended an answer. Whether it ended inside of a call, ToolCallCut and ParsedOutput::call_cut say besides.
enum class AnswerEnd {
  end_token,    // the model ended it
  stop_string,  // a stop string of the request
  one_call,     // the one call that may come (ToolUse::parallel) is complete
  length,       // max_tokens, or the context's end
  repetition,   // the answer only repeated itself
  cancelled,
};

// A whole answer: the sum of its events.
struct ParsedOutput {
  std::string thinking;
  std::string content;
  std::vector<ToolCall> tool_calls;
  bool call_cut = false;  // a ToolCallCut came: `content` holds its text

  void add(const OutputEvent& event);
};

// {"thinking": …, "content": …, "tool_calls": [{"name": …, "arguments": {…}}]}, always with these three keys;
// "call_cut": true behind them where that is so.
json::object to_json(const ParsedOutput& output);

// The answer as the next message of the conversation: {"role": "assistant", "content", "reasoning_content",
// "tool_calls"}.
json::object to_message(const ParsedOutput& output);

}  // namespace glimt
