#include "api/content_tokens.h"

#include "api/wire.h"

#include <cmath>
#include <string_view>
#include <utility>

namespace glimt {
namespace {

constexpr double kLeast = -9999;  // JSON has no infinity; OpenAI writes this number for what cannot come

json::object token_json(std::string_view bytes, float logprob) {
  json::array numbers;
  for (const char byte : bytes) numbers.emplace_back(static_cast<unsigned char>(byte));
  const double shown = std::isfinite(logprob) ? static_cast<double>(logprob) : kLeast;
  return {{"token", valid_utf8(bytes)}, {"logprob", shown}, {"bytes", std::move(numbers)}};
}

}  // namespace

json::array content_tokens_json(const std::vector<ContentToken>& tokens) {
  json::array list;
  for (const ContentToken& token : tokens) {
    json::object item = token_json(token.bytes, token.logprob);
    json::array top;
    for (const ContentToken::Alternative& other : token.top) top.push_back(token_json(other.bytes, other.logprob));
    item["top_logprobs"] = std::move(top);
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace glimt
