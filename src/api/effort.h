// Words for how much to think, which clients send in several fields of all dialects.
#pragma once

#include "chat/chat_request.h"

#include <string>
#include <string_view>

namespace glimt {

// none: no thinking; minimal 512, low 2048, medium 8192, high 24576 tokens of it; xhigh, max, ultra: no limit.
// Throws ApiError that names the words for another one.
void apply_effort(std::string_view word, const std::string& path, ChatRequest& request);

}  // namespace glimt
