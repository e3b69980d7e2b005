// Drafts by prompt look-up: what followed the last time that the text ended like this. Costs no model time; good where
// an answer repeats its prompt, as in edits.
#pragma once

#include "base/token.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

namespace glimt {

struct NgramDrafterOptions {
  int n_min = 2;                 // an ending shorter than this is no evidence
  int n_max = 5;                 // the longest one compared
  std::size_t window = 1 << 16;  // tokens remembered
};

// The text of one sequence. Exact within the window: tokens are compared, not hashes alone. Memory: O(window * (n_max -
// n_min + 1)).
class NgramDrafter {
 public:
  // Throws invalid_request unless 1 <= n_min <= n_max < window.
  explicit NgramDrafter(const NgramDrafterOptions& options = {});

  // More text: the prompt, then the tokens that stand (drafts that were rejected never). O(n_max) a token,
  // some 3 us.
  void append(TokenId token);
  void append(std::span<const TokenId> tokens);

  // Leaves out the first `tokens` tokens of the text, as if they had left the window. REQUIRES: nothing was appended
  // yet.
  void skip(std::size_t tokens) { first_ = tokens; }

  // Up to k tokens that followed the most recent earlier occurrence of the longest possible ending of n_max .. n_min
  // tokens; empty if none occurred. Where the copy reaches the end of the text it goes on with its own beginning, so
  // that a repetition is continued. O(n_max + k).
  std::vector<TokenId> propose(int k) const;

  std::size_t size() const { return first_ + tokens_.size(); }

 private:
  TokenId at(std::size_t position) const { return tokens_[position - first_]; }
  std::uint64_t hash(std::size_t end, int n) const;
  bool same(std::size_t a_end, std::size_t b_end, int n) const;
  void remember(std::size_t end);
  void forget_first();

  NgramDrafterOptions options_;
  std::deque<TokenId> tokens_;  // the window
  std::size_t first_ = 0;       // position of tokens_[0] in the text
  std::unordered_map<std::uint64_t, std::size_t>
      ends_;  // hash of an n-gram -> end of its last occurrence but the text's
};

}  // namespace glimt
