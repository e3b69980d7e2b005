#include "engine/draft_policy.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>

namespace glimt {
namespace {

constexpr double kHope = 0.8;       // acceptance of a first draft before anybody has tried
constexpr double kHopeWeight = 4;   // as so many tries, which fade like others
constexpr double kPriorWeight = 4;  // what a draft deeper down takes over from the one before it
constexpr double kProbeWeight = 4;  // what all tries before a pause count after it

}  // namespace

DraftPolicy::DraftPolicy(const DraftPolicyOptions& options) : options_(options), pause_(options.first_pause) {
  const bool good = options.max_depth >= 0 && options.memory >= 1 && options.margin >= 0 && options.probe_drafts >= 1 &&
                    options.first_pause >= 1 && options.longest_pause >= options.first_pause;
  if (!good) fail(ErrorKind::invalid_request, "draft policy", "an option is out of range");
  counts_.resize(static_cast<std::size_t>(options.max_depth));
  if (!counts_.empty()) counts_[0] = {kHopeWeight, kHopeWeight * kHope};
}

// Shrunk towards the draft before it: drafts deep down are rarely tried, and fare about like those above.
double DraftPolicy::acceptance(int i) const {
  double estimate = counts_.at(0).stood / counts_.at(0).tried;
  for (int k = 1; k <= i; ++k) {
    const auto& [tried, stood] = counts_.at(static_cast<std::size_t>(k));
    estimate = (stood + kPriorWeight * estimate) / (tried + kPriorWeight);
  }
  return estimate;
}

double DraftPolicy::speedup(int depth, std::span<const double> cost) const {
  double tokens = 1;
  double reached = 1;
  for (int i = 0; i < depth; ++i) tokens += reached *= acceptance(i);
  return tokens / cost[static_cast<std::size_t>(depth)];
}

int DraftPolicy::best_depth(std::span<const double> cost) const {
  int best = 0;
  double most = 1;
  for (int depth = 1; depth <= options_.max_depth && depth < std::ssize(cost); ++depth) {
    const double now = speedup(depth, cost);
    if (now > most) {
      best = depth;
      most = now;
    }
  }
  return best;
}

int DraftPolicy::next_depth(std::span<const double> cost) {
  if (options_.max_depth == 0 || cost.size() < 2) return 0;
  if (pause_left_ > 0) {
    if (--pause_left_ > 0) return 0;
    probing_ = true;
    probe_left_ = options_.probe_drafts;
    for (auto& [tried, stood] : counts_) {  // old news counts for little
      const double keep = std::min(1.0, kProbeWeight / std::max(tried, 1.0));
      tried *= keep;
      stood *= keep;
    }
  }
  if (probing_ && probe_left_ > 0) return 1;

  const int best = best_depth(cost);
  if (best > 0 && (!probing_ || speedup(best, cost) >= 1 + options_.margin)) {
    if (probing_) pause_ = options_.first_pause;
    probing_ = false;
    return best;
  }
  pause();
  return 0;
}

void DraftPolicy::pause() {
  pause_left_ = pause_;
  pause_ = std::min(2 * pause_, options_.longest_pause);
  probing_ = false;
}

void DraftPolicy::record(int drafted, int accepted) {
  if (drafted < 0 || accepted < 0 || accepted > drafted) {
    fail(ErrorKind::internal, "draft policy", "{} of {} drafts accepted", accepted, drafted);
  }
  const double fade = 1 - 1 / options_.memory;
  for (int i = 0; i < std::min({drafted, accepted + 1, options_.max_depth}); ++i) {
    auto& [tried, stood] = counts_[static_cast<std::size_t>(i)];
    tried = tried * fade + 1;
    stood = stood * fade + (i < accepted ? 1 : 0);
  }
  if (drafted > 0 && probe_left_ > 0) --probe_left_;
}

}  // namespace glimt
