// One answer on the terminal: progress while the prompt is read, the text as it comes, Ctrl-C to stop.
#pragma once

#include "serving/chat_model.h"

#include <string>

namespace glimt {

// The answer goes to stdout, progress to stderr. Stops early for Ctrl-C (see catch_interrupts) or when stdout is
// closed: FinishReason::cancelled. `show_thinking`: also where stdout is not a terminal.
ChatResult stream_answer(const ChatModel& model, const ChatRequest& request, bool show_thinking = false);

// Each token with its log probability and alternatives, a line each; for --logprobs.
std::string describe_tokens(const Tokenizer& tokenizer, const std::vector<TokenEvent>& tokens);

}  // namespace glimt
