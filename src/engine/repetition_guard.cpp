#include "engine/repetition_guard.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {

RepetitionGuard::RepetitionGuard(const RepetitionOptions& options) : options_(options) {
  if (options.max_period < 1 || options.min_repeats < 2 || options.min_tokens < 1) {
    fail(ErrorKind::invalid_request, "repetition guard",
         "wanted a period, 2 repeats and a token or more, got {}, {}, {}", options.max_period, options.min_repeats,
         options.min_tokens);
  }
  equal_.resize(static_cast<std::size_t>(options.max_period), 0);
}

bool RepetitionGuard::append(TokenId token) {
  period_ = 0;
  const std::size_t periods = std::min(equal_.size(), recent_.size());
  for (std::size_t i = periods; i-- > 0;) {
    equal_[i] = recent_[recent_.size() - 1 - i] == token ? equal_[i] + 1 : 0;
    const auto period = static_cast<int>(i) + 1;
    const int needed = std::max(options_.min_repeats * period, options_.min_tokens);
    if (equal_[i] + period >= needed) period_ = period;
  }
  // Room for twice the periods, so that the old ones are moved out only now and then.
  if (recent_.size() == 2 * equal_.size()) {
    recent_.erase(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(equal_.size()));
  }
  recent_.push_back(token);
  return period_ != 0;
}

}  // namespace glimt
