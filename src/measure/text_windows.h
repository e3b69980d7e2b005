// A text cut into the windows that a model sees apart from each other, and the windows into batches.
#pragma once

#include "base/token.h"

#include <span>
#include <vector>

namespace glimt {

// Windows of one length that are computed together, one behind the other.
struct WindowBatch {
  int windows = 0;
  int length = 0;               // tokens of each, 2 at least
  std::vector<TokenId> tokens;  // [windows · length]

  TokenId at(int window, int position) const {
    return tokens[static_cast<std::size_t>(window) * static_cast<std::size_t>(length) +
                  static_cast<std::size_t>(position)];
  }
};

// Windows of `context` tokens; what is left at the end is a shorter one, and is dropped if it is a single token: there
// is nothing to predict in it. A batch has `rows` tokens at most, and one window at least. Throws invalid_request for a
// text of less than two tokens and a context below 2.
std::vector<WindowBatch> cut_windows(std::span<const TokenId> text, int context, int rows);

}  // namespace glimt
