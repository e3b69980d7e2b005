// The grammar of one answer while the engine works on it: which tokens may come next, also behind guesses.
#pragma once

#include "grammar/grammar.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace glimt {

// One thread at a time. A guess over which the grammar breaks (it grew beyond its limits) is a guess that is not
// possible, and costs the answer nothing: the grammar is taken through the answer once more, and guesses end.
class AnswerConstraint {
 public:
  explicit AnswerConstraint(const Grammar& grammar);

  // How many of `drafts`, in order, may follow the answer. Never throws for what the drafts do.
  std::size_t possible(std::span<const TokenId> drafts);

  // Makes mask(0) for the next position and mask(i) behind i of the drafts. Returns for how many drafts there is a
  // mask: all of them, or fewer if the grammar breaks behind one. Throws invalid_request if it breaks at the next
  // position.
  std::size_t compute_masks(std::span<const TokenId> drafts);

  // One bit a token, as Matcher::mask; of the last compute_masks().
  std::span<const std::uint32_t> mask(std::size_t i) const { return masks_[i]; }
  bool allows(std::size_t i, TokenId token) const;

  // The answer goes on with `token`. Throws invalid_request if the grammar breaks, internal if it does not allow the
  // token: an answer that its grammar has lost must not go on.
  void accept(TokenId token);

 private:
  void recover();  // after a throw of matcher_

  Grammar grammar_;
  Matcher matcher_;
  std::vector<TokenId> answer_;
  std::vector<std::vector<std::uint32_t>> masks_;
  bool guesses_ = true;
};

// Sets the logits of all tokens that `mask` does not have to -inf.
void forbid_all_but(std::span<const std::uint32_t> mask, std::span<float> logits);

}  // namespace glimt
