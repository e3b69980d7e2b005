#include "api/content_tokens.h"

#include "api/wire.h"

#include <cmath>
#include <string_view>
#include <utility>

namespace glimt {
namespace {

json::object token_json(std::string_view bytes, float logprob) {
  json::array numbers;
  for (const char byte : bytes) numbers.emplace_back(static_cast<unsigned char>(byte));
  return {{"token", valid_utf8(bytes)}, {"logprob", finite_logprob(logprob)}, {"bytes", std::move(numbers)}};
}

}  // namespace

double finite_logprob(float logprob) { return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999; }

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
