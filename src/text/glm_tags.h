// The tags of GLM's chat format, each one control token of the vocabulary. The only place that spells them.
//
//   <think>…</think>answer                                                             thinking, then the answer
//   <tool_call>NAME<arg_key>K</arg_key><arg_value>V</arg_value>…</tool_call>           a call of a tool
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace glimt {

enum class GlmTag { think, think_end, call, call_end, key, key_end, value, value_end };

inline constexpr std::array<std::string_view, 8> kGlmTags = {"<think>",   "</think>",   "<tool_call>", "</tool_call>",
                                                             "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"};

constexpr std::string_view text_of(GlmTag tag) { return kGlmTags[static_cast<std::size_t>(tag)]; }

// The tag that is spelled exactly so.
constexpr std::optional<GlmTag> glm_tag(std::string_view text) {
  for (std::size_t i = 0; i < kGlmTags.size(); ++i) {
    if (kGlmTags[i] == text) return static_cast<GlmTag>(i);
  }
  return std::nullopt;
}

}  // namespace glimt
