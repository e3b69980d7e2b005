// Notices a model that repeats itself for ever.
#pragma once

#include "base/token.h"

#include <cstddef>
#include <vector>

namespace glimt {

struct RepetitionOptions {
  int max_period = 256;  // tokens of a block that repeats
  int min_repeats = 8;   // of it, at the end of the text
  int min_tokens = 512;  // that they cover: tables, indentation and rows of zeros repeat for less
};

// The answer of one sequence, token by token. Exact: at the end of the text there is a block of p <= max_period tokens
// that stands there min_repeats times or more (the first may be cut short), over min_tokens or more. One comparison for
// each period a token (half a microsecond for 256); memory O(max_period).
class RepetitionGuard {
 public:
  // Throws invalid_request unless all are at least 1 and min_repeats at least 2.
  explicit RepetitionGuard(const RepetitionOptions& options = {});

  // True while the text ends in a runaway repetition.
  bool append(TokenId token);

  int period() const { return period_; }  // of the repetition at the end, the shortest; 0: none

 private:
  RepetitionOptions options_;
  std::vector<TokenId> recent_;  // the last max_period tokens at least, less before there are so many
  std::vector<int> equal_;       // [max_period]: so many tokens at the end equal the ones p = index + 1 before them
  int period_ = 0;
};

}  // namespace glimt
