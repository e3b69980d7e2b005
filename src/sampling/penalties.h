// Changes of logits that depend on the history. Internal to the sampler.
#pragma once

#include "sampling/params.h"

#include <span>

namespace glimt {

// The last `last_n` tokens of `history`; all of them for -1.
std::span<const TokenId> last_tokens(std::span<const TokenId> history, int last_n);

// Repeat, frequency and presence penalty. Tokens outside the vocabulary are ignored.
void apply_repeat_penalties(const SamplingParams& params, std::span<const TokenId> history, std::span<float> logits);

// DRY. For a token c, the length of the repeat is the longest L such that the last L tokens of the history, holding no
// breaker, stand somewhere before in it followed by c; from `allowed_length` on, c loses
// multiplier * base^(L - allowed_length). O(history) by the Z function of the reversed history.
void apply_dry(const DryParams& dry, std::span<const TokenId> history, std::span<float> logits);

}  // namespace glimt
