#include "engine/drafting.h"

#include <algorithm>

namespace glimt {

void Drafting::read(std::span<const TokenId> text) {
  if (ngrams_.size() == 0 && text.size() > kNgrams.window) ngrams_.skip(text.size() - kNgrams.window);
  const std::span<const TokenId> unread = text.subspan(ngrams_.size());
  ngrams_.append(unread.first(std::min(unread.size(), kPortion)));
}

Drafting::Wish Drafting::wish(std::span<const TokenId> text, std::span<const double> cost, bool has_mtp) {
  read(text);
  Wish wish;
  std::vector<TokenId> copied;
  if (ngrams_.size() == text.size()) copied = ngrams_.propose(kDeepestNgram);
  if (!copied.empty()) {
    // Only a step in which it has something to say is one of its steps.
    const int depth = ngram_policy_.next_depth(cost);
    copied.resize(std::min(copied.size(), static_cast<std::size_t>(depth)));
    if (!copied.empty()) wish = {Source::ngram, 0, std::move(copied)};
  }
  if (wish.source == Source::none && has_mtp) {
    wish.depth = mtp_policy_.next_depth(cost.first(std::min<std::size_t>(cost.size(), kDeepestMtp + 1)));
    if (wish.depth > 0) wish.source = Source::mtp;
  }
  last_ = wish.source;
  return wish;
}

void Drafting::record(int drafted, int accepted) {
  if (last_ == Source::ngram) ngram_policy_.record(drafted, accepted);
  if (last_ == Source::mtp) mtp_policy_.record(drafted, accepted);
  last_ = Source::none;
}

}  // namespace glimt
