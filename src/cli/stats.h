// Speed and memory of an answer, for people.
#pragma once

#include "serving/chat_model.h"

#include <cstddef>
#include <string>

namespace glimt {

// "prompt", "answer" and "memory", a line each, for --stats and /stats.
std::string describe(const ChatModel& model, const GenerationStats& stats);

// Tokens a second, or 0 when there was nothing to measure. Tokens found in the cache are not counted as read; the first
// token of each of the `answers` that were added up came with the last step of its prompt.
double prefill_speed(const GenerationStats& stats);
double decode_speed(const GenerationStats& stats, std::size_t answers = 1);

}  // namespace glimt
