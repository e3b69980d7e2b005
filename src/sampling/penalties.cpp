#include "sampling/penalties.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace glimt {
namespace {

constexpr double kMaxDryPenalty = 1e9;  // base^length overflows quickly; this bans the token and stays finite

// z[i]: how many tokens from i on equal those from 0 on (Gusfield, Algorithms on Strings, 1.4). z[0] is not used.
std::vector<std::size_t> z_function(std::span<const TokenId> tokens) {
  std::vector<std::size_t> z(tokens.size(), 0);
  std::size_t left = 0;
  std::size_t right = 0;  // tokens[left, right) is the match found so far that ends last
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (i < right) z[i] = std::min(right - i, z[i - left]);
    while (i + z[i] < tokens.size() && tokens[z[i]] == tokens[i + z[i]]) ++z[i];
    if (i + z[i] > right) {
      left = i;
      right = i + z[i];
    }
  }
  return z;
}

}  // namespace

std::span<const TokenId> last_tokens(std::span<const TokenId> history, int last_n) {
  if (last_n < 0) return history;
  return history.last(std::min(history.size(), static_cast<std::size_t>(last_n)));
}

void apply_repeat_penalties(const SamplingParams& params, std::span<const TokenId> history, std::span<float> logits) {
  std::unordered_map<TokenId, int> counts;
  for (const TokenId token : last_tokens(history, params.repeat_last_n)) {
    if (token >= 0 && static_cast<std::size_t>(token) < logits.size()) ++counts[token];
  }
  for (const auto& [token, count] : counts) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit > 0 ? logit / params.repeat_penalty : logit * params.repeat_penalty;
    logit -= static_cast<float>(count) * params.frequency_penalty + params.presence_penalty;
  }
}

void apply_dry(const DryParams& dry, std::span<const TokenId> history, std::span<float> logits) {
  const std::span<const TokenId> window = last_tokens(history, dry.last_n);
  const std::vector<TokenId> reversed(window.rbegin(), window.rend());
  const std::unordered_set<TokenId> breakers(dry.breakers.begin(), dry.breakers.end());
  const auto is_breaker = [&](TokenId token) { return breakers.contains(token); };
  const auto longest =
      static_cast<std::size_t>(std::find_if(reversed.begin(), reversed.end(), is_breaker) - reversed.begin());
  if (longest < static_cast<std::size_t>(dry.allowed_length)) return;

  // reversed[i - 1] is what followed the earlier copy that ends at reversed[i].
  const std::vector<std::size_t> z = z_function(reversed);
  std::unordered_map<TokenId, std::size_t> repeats;
  for (std::size_t i = 1; i < reversed.size(); ++i) {
    const std::size_t length = std::min(z[i], longest);
    const TokenId next = reversed[i - 1];
    if (length < static_cast<std::size_t>(dry.allowed_length) || is_breaker(next)) continue;
    if (next < 0 || static_cast<std::size_t>(next) >= logits.size()) continue;
    std::size_t& repeat = repeats[next];
    repeat = std::max(repeat, length);
  }
  for (const auto& [token, length] : repeats) {
    const double exponent = static_cast<double>(length) - dry.allowed_length;
    const double penalty = std::min(kMaxDryPenalty, dry.multiplier * std::pow(static_cast<double>(dry.base), exponent));
    logits[static_cast<std::size_t>(token)] -= static_cast<float>(penalty);
  }
}

}  // namespace glimt
