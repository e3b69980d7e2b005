// How much a request may hold. Beyond: 400 that names the field, the limit and what came.
#pragma once

#include <cstddef>
#include <string_view>

namespace glimt {

inline constexpr std::size_t kMaxMessages = 16384;
inline constexpr std::size_t kMaxTools = 1024;
inline constexpr std::size_t kMaxChoices = 16;      // `n`
inline constexpr std::size_t kMaxStopStrings = 32;  // OpenAI takes 4; agents and editors send more
inline constexpr std::size_t kMaxStopBytes = 1024;  // of each
inline constexpr std::size_t kMaxDryBreakers = 32;
inline constexpr std::size_t kMaxPrompts = 64;
inline constexpr std::size_t kMaxAnswers = 64;  // prompts times n
inline constexpr std::size_t kMaxEmbeddingInputs = 2048;
inline constexpr int kMaxTopLogprobs = 20;

// Throws ApiError: "tools: must have at most 1024 entries, got 2000".
void check_count(std::string_view path, std::size_t count, std::size_t most);

}  // namespace glimt
