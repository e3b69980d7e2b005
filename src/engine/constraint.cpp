#include "engine/constraint.h"

#include "base/error.h"

#include <limits>

namespace glimt {

AnswerConstraint::AnswerConstraint(const Grammar& grammar) : grammar_(grammar), matcher_(grammar.matcher()) {}

void AnswerConstraint::recover() {
  guesses_ = false;
  matcher_ = grammar_.matcher();
  for (const TokenId token : answer_) {
    if (!matcher_.accept(token)) fail(ErrorKind::internal, "grammar", "does not accept its own answer again");
  }
}

std::size_t AnswerConstraint::possible(std::span<const TokenId> drafts) {
  if (!guesses_ || drafts.empty()) return 0;
  try {
    std::size_t count = 0;
    while (count < drafts.size() && matcher_.accept(drafts[count])) ++count;
    matcher_.rollback(count);
    return count;
  } catch (const Error&) {
    recover();
    return 0;
  }
}

std::size_t AnswerConstraint::compute_masks(std::span<const TokenId> drafts) {
  masks_.resize(drafts.size() + 1);
  std::size_t made = 0;
  try {
    for (;; ++made) {
      masks_[made].resize(grammar_.environment().mask_words());
      matcher_.mask(masks_[made]);
      if (made == drafts.size() || !matcher_.accept(drafts[made])) break;
    }
    matcher_.rollback(made);
    return made;
  } catch (const Error&) {
    if (made == 0) throw;
    recover();
    return made - 1;
  }
}

bool AnswerConstraint::allows(std::size_t i, TokenId token) const {
  const auto bit = static_cast<std::size_t>(token);
  return (masks_[i][bit / 32] >> (bit % 32) & 1) != 0;
}

void AnswerConstraint::accept(TokenId token) {
  if (!matcher_.accept(token)) fail(ErrorKind::internal, "grammar", "token {} was chosen and is not allowed", token);
  answer_.push_back(token);
}

void forbid_all_but(std::span<const std::uint32_t> mask, std::span<float> logits) {
  for (std::size_t i = 0; i < logits.size(); i += 32) {
    const std::uint32_t word = mask[i / 32];
    if (word == ~0U) continue;
    for (std::size_t bit = 0; bit < 32 && i + bit < logits.size(); ++bit) {
      if ((word >> bit & 1) == 0) logits[i + bit] = -std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace glimt
