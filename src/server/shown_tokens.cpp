#include "server/shown_tokens.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

}  // namespace

void ShownTokens::push(const TokenEvent& event) {
  Waiting& added = waiting_.emplace_back();
  added.left = std::string(tokenizer_.piece(event.token));
  added.token.logprob = event.logprob;
  added.token.id = event.token;
  added.token.guessed = event.guessed;
  added.token.top.reserve(event.top.size());
  for (const TokenLogprob& other : event.top) {
    added.token.top.push_back({std::string(tokenizer_.piece(other.token)), other.logprob});
  }
}

void ShownTokens::pass(std::vector<ContentToken>& out) {
  if (!waiting_.front().token.bytes.empty()) out.push_back(std::move(waiting_.front().token));
  waiting_.pop_front();
}

// The byte belongs to the first token that still has it to show. What stands before it was dropped.
void ShownTokens::show(char byte, std::vector<ContentToken>& out) {
  const auto has_byte = [&](const Waiting& token) { return token.left.find(byte) != token.left.npos; };
  if (std::none_of(waiting_.begin(), waiting_.end(), has_byte)) {
    if (!waiting_.empty()) waiting_.front().token.bytes += byte;  // of U+FFFD, say, in place of what the token had
    return;
  }
  while (!has_byte(waiting_.front())) pass(out);
  Waiting& token = waiting_.front();
  token.left.erase(0, token.left.find(byte) + 1);
  token.token.bytes += byte;
  if (token.left.empty()) pass(out);
}

std::vector<ContentToken> ShownTokens::take(std::string_view text) {
  std::vector<ContentToken> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool replaced = text.substr(i).starts_with(kReplacement) && !waiting_.empty() &&
                          !std::string_view(waiting_.front().left).starts_with(kReplacement);
    if (!replaced) {
      show(text[i], out);
      continue;
    }
    Waiting& token = waiting_.front();
    token.token.bytes += kReplacement;
    if (!token.left.empty()) token.left.erase(0, 1);
    if (token.left.empty()) pass(out);
    i += kReplacement.size() - 1;
  }
  return out;
}

std::vector<ContentToken> ShownTokens::finish() {
  std::vector<ContentToken> out;
  while (!waiting_.empty()) pass(out);
  return out;
}

}  // namespace glimt
