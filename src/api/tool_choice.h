// Which tools an answer may or must call, as all dialects say it in their own forms.
#pragma once

#include "api/fields.h"
#include "chat/chat_request.h"

#include <cstdint>
#include <string>
#include <vector>

namespace glimt {

struct ToolChoice {
  enum class Mode : std::uint8_t { automatic, none, required };

  Mode mode = Mode::automatic;
  std::vector<std::string> allowed = {};  // names; empty: all. One that must be called: required, and its name alone
  bool parallel = true;                   // false: one call at most
};

// A choice is an error in a request that says nothing of tools; an empty list says that there are none.
void check_tools_of_choice(const FieldReader& body);

// request.tools, which must be there, get their use and, if a call is required, the constraint; an answer that must call
// has no room for the JSON of a response format. Throws ApiError for tools of the same name, for a choice that wants a
// call or names tools where there are none, and for a name that no tool has. `path` is that of the choice.
void apply_tool_choice(const ToolChoice& choice, const std::string& path, ChatRequest& request);

}  // namespace glimt
