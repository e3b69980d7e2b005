// The calls of declared tools as a Lark grammar. The inverse of chat/OutputParser, which reads them.
#pragma once

#include "base/json.h"
#include "grammar/grammar.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ToolCallGrammar {
  std::string lark;
  std::vector<std::string> places;  // of each line: "tools[2].parameters: /properties/a", or nothing
};

// For Grammar::tool_calls. Throws invalid_request: "tools[2].parameters: /properties/a: …".
ToolCallGrammar tool_call_grammar(const GrammarEnvironment& environment, const json::array& tools,
                                  const ToolCallRules& rules);

// A user's Lark, made safe for the compiler: at most 64 KiB, since a chain of rules is a recursion. Throws
// invalid_request.
std::string checked_lark(std::string_view source);

}  // namespace glimt
