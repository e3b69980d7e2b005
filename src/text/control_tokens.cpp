#include "text/control_tokens.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

std::size_t index(char c) { return static_cast<unsigned char>(c); }

}  // namespace

ControlMatcher::ControlMatcher(std::vector<ControlToken> tokens) : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const ControlToken& a, const ControlToken& b) { return a.text.size() > b.text.size(); });
  for (const ControlToken& token : tokens_) {
    longest_ = std::max(longest_, token.text.size());
    first_byte_[index(token.text.front())] = true;
    for (std::size_t i = 0; i + 1 < token.text.size(); ++i) {
      before_last_byte_[index(token.text[i])] = true;
      after_first_byte_[index(token.text[i + 1])] = true;
    }
  }
}

const ControlToken* ControlMatcher::longest_at(std::string_view text, std::size_t at) const {
  if (at >= text.size() || !first_byte_[index(text[at])]) return nullptr;
  const std::string_view rest = text.substr(at);
  for (const ControlToken& token : tokens_) {
    if (rest.starts_with(token.text)) return &token;
  }
  return nullptr;
}

std::vector<ControlSpan> ControlMatcher::find(std::string_view text) const {
  std::vector<ControlSpan> spans;
  for (std::size_t at = 0; at < text.size();) {
    const ControlToken* token = longest_at(text, at);
    if (token != nullptr) spans.push_back({at, at + token->text.size(), token->id});
    at += token != nullptr ? token->text.size() : 1;
  }
  return spans;
}

bool ControlMatcher::ends_with_beginning(std::string_view text) const {
  if (text.empty() || !before_last_byte_[index(text.back())]) return false;
  for (const ControlToken& token : tokens_) {
    const std::size_t most = std::min(text.size(), token.text.size() - 1);
    for (std::size_t n = 1; n <= most; ++n) {
      if (text.ends_with(std::string_view(token.text).substr(0, n))) return true;
    }
  }
  return false;
}

bool ControlMatcher::starts_with_ending(std::string_view text) const {
  if (text.empty() || !after_first_byte_[index(text.front())]) return false;
  for (const ControlToken& token : tokens_) {
    const std::size_t most = std::min(text.size(), token.text.size() - 1);
    for (std::size_t n = 1; n <= most; ++n) {
      if (text.starts_with(std::string_view(token.text).substr(token.text.size() - n))) return true;
    }
  }
  return false;
}

bool ControlMatcher::is_inner_part(std::string_view text) const {
  if (text.empty() || text.size() + 2 > longest_) return false;
  return std::any_of(tokens_.begin(), tokens_.end(), [&](const ControlToken& token) {
    const std::size_t at = token.text.find(text, 1);
    return at != std::string::npos && at + text.size() < token.text.size();
  });
}

}  // namespace glimt
