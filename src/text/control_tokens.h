// Control tokens: the "added tokens" of a tokenizer.json (<|user|>, <think>, <tool_call>, …), each one id that no
// ordinary text can produce. They give a prompt its structure, so they decide whose turn it is.
#pragma once

#include "base/token.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ControlToken {
  TokenId id = 0;
  std::string text;      // at least two characters, no white space
  bool special = false;  // Hugging Face's flag: left out by skip_special_tokens. <think> and <tool_call> do not have it
};

// Where a control token stands in a text: bytes [begin, end).
struct ControlSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
  TokenId id = 0;

  bool operator==(const ControlSpan&) const = default;
};

// Finds the texts of control tokens. Immutable, so const methods may be called by several threads.
class ControlMatcher {
 public:
  ControlMatcher() = default;
  explicit ControlMatcher(std::vector<ControlToken> tokens);

  const std::vector<ControlToken>& tokens() const { return tokens_; }

  // The longest control token that starts at byte `at`, or null.
  const ControlToken* longest_at(std::string_view text, std::size_t at) const;

  // Every control token in the text as Hugging Face's tokenizers split it: leftmost first, longest there.
  std::vector<ControlSpan> find(std::string_view text) const;

  // Could the text be one side of a control token that is completed by what is put beside it?
  bool ends_with_beginning(std::string_view text) const;  // "hello <|us"
  bool starts_with_ending(std::string_view text) const;   // "er|> hello"
  bool is_inner_part(std::string_view text) const;        // "us"

 private:
  std::vector<ControlToken> tokens_;  // longest first, so the first that fits is the longest
  std::array<bool, 256> first_byte_{};
  std::array<bool, 256> before_last_byte_{};  // some proper beginning ends with this byte
  std::array<bool, 256> after_first_byte_{};  // some proper ending starts with this byte
  std::size_t longest_ = 0;
};

}  // namespace glimt
