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
// A call began and its name is known: something to show while the arguments are written. `index` counts the calls of
// one answer from 0. Followed by ToolCallComplete or ToolCallCancelled of the same index before anything else.
struct ToolCallStart {
  std::size_t index;
  std::string name;
};
struct ToolCallComplete {
  std::size_t index;
  ToolCall call;
};
// The call could not be finished; its raw text follows as thinking or content and the index is used again. A consumer
// that cannot take a start back ignores ToolCallStart and waits for ToolCallComplete.
struct ToolCallCancelled {
  std::size_t index;
};
using OutputEvent = std::variant<ThinkingDelta, ContentDelta, ToolCallStart, ToolCallComplete, ToolCallCancelled>;

// A whole answer: the sum of its events.
struct ParsedOutput {
  std::string thinking;
  std::string content;
  std::vector<ToolCall> tool_calls;

  void add(const OutputEvent& event);
};

// {"thinking": …, "content": …, "tool_calls": [{"name": …, "arguments": {…}}]}, always with these three keys.
json::object to_json(const ParsedOutput& output);

}  // namespace glimt
