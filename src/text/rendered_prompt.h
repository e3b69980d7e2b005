// The prompt a chat template made: its exact text, and which parts of it are control tokens.
#pragma once

#include "text/control_tokens.h"

#include <string>
#include <vector>

namespace glimt {

// `controls` lists, in order and without overlap, the control tokens that the template itself wrote. All other text is
// literal: it becomes ordinary tokens even where it spells a control token, because a user typed it.
struct RenderedPrompt {
  std::string text;
  std::vector<ControlSpan> controls;
};

}  // namespace glimt
