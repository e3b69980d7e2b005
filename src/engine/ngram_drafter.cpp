#include "engine/ngram_drafter.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {

NgramDrafter::NgramDrafter(const NgramDrafterOptions& options) : options_(options) {
  const bool good =
      options.n_min >= 1 && options.n_max >= options.n_min && options.window > static_cast<std::size_t>(options.n_max);
  if (!good) {
    fail(ErrorKind::invalid_request, "n-gram drafter", "wanted 1 <= n_min <= n_max < window, got {}, {}, {}",
         options.n_min, options.n_max, options.window);
  }
}

// The finalizer of splitmix64 after each token: n-grams of small ids, of all lengths in one table, must not meet.
std::uint64_t NgramDrafter::hash(std::size_t end, int n) const {
  auto h = static_cast<std::uint64_t>(n);
  for (std::size_t i = end - static_cast<std::size_t>(n); i < end; ++i) {
    h = (h ^ static_cast<std::uint32_t>(at(i))) + 0x9E3779B97F4A7C15U;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9U;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBU;
    h ^= h >> 31;
  }
  return h;
}

bool NgramDrafter::same(std::size_t a_end, std::size_t b_end, int n) const {
  if (std::min(a_end, b_end) - first_ < static_cast<std::size_t>(n)) return false;
  for (std::size_t i = 1; i <= static_cast<std::size_t>(n); ++i) {
    if (at(a_end - i) != at(b_end - i)) return false;
  }
  return true;
}

void NgramDrafter::append(std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) append(token);
}

void NgramDrafter::append(TokenId token) {
  remember(size());  // only now is the old ending an earlier occurrence
  tokens_.push_back(token);
  if (tokens_.size() > options_.window) forget_first();
}

void NgramDrafter::remember(std::size_t end) {
  for (int n = options_.n_min; n <= options_.n_max && static_cast<std::size_t>(n) <= end - first_; ++n) {
    ends_[hash(end, n)] = end;
  }
}

// The n-grams that begin with the first token leave with it, unless they came again.
void NgramDrafter::forget_first() {
  for (int n = options_.n_min; n <= options_.n_max; ++n) {
    const std::size_t end = first_ + static_cast<std::size_t>(n);
    const auto found = ends_.find(hash(end, n));
    if (found != ends_.end() && found->second == end) ends_.erase(found);
  }
  tokens_.pop_front();
  ++first_;
}

std::vector<TokenId> NgramDrafter::propose(int k) const {
  std::vector<TokenId> drafts;
  const auto longest = static_cast<int>(std::min(tokens_.size(), static_cast<std::size_t>(options_.n_max)));
  for (int n = longest; n >= options_.n_min && drafts.empty(); --n) {
    const auto found = ends_.find(hash(size(), n));
    if (found == ends_.end() || !same(found->second, size(), n)) continue;  // a hash may be another n-gram's
    for (std::size_t from = found->second; std::ssize(drafts) < k; ++from) {
      drafts.push_back(from < size() ? at(from) : drafts[from - size()]);
    }
  }
  return drafts;
}

}  // namespace glimt
