// What one or several models predict for each token of a text. Layer by layer, for all tokens at once: in memory are
// one layer of one model, the hidden states of a section of the text, and some rows of logits.
#pragma once

#include "base/token.h"
#include "measure/logits_row.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

namespace glimt {

struct TextPassOptions {
  int context = 512;     // tokens of a window; the text is cut into such, each of which a model sees alone
  bool exact = false;    // float32 cache rows, no rounding of activations
  int step_rows = 2048;  // tokens that are computed together; many, as each expert sees only some of them
  // Bytes of hidden states, of each model. A text that needs more is read in sections: the weights once for each.
  std::size_t hidden_bytes = std::size_t{256} << 20;
};

struct TextPassVisitor {
  // For every token but the first of a window, in the order of the text: what each model says at its place.
  std::function<void(std::span<const LogitsRow> rows, TokenId token)> token;
  std::function<void()> end_window;
  std::function<void(std::size_t done, std::size_t total)> progress;  // in tokens of a layer; may be empty
};

// All folders must hold models of one vocabulary size. Throws invalid_request if they do not, for a token that is not
// in it, a text of less than two tokens, a context that a model does not have; what load_model throws, before anything
// is computed where weights stay in their files.
void pass_text(const std::vector<std::filesystem::path>& folders, std::span<const TokenId> text,
               const TextPassOptions& options, const TextPassVisitor& visitor);

}  // namespace glimt
