// How many tokens to draft.
#pragma once

#include <span>
#include <vector>

namespace glimt {

struct DraftPolicyOptions {
  int max_depth = 3;
  double memory = 50;        // drafts that an acceptance is averaged over, about
  double margin = 0.05;      // gain that starts drafting again; it stops when there is none
  int probe_drafts = 8;      // a parked policy tries that many
  int first_pause = 16;      // steps without drafts before that; doubles with each failure …
  int longest_pause = 1024;  // … up to here
};

// Keeps for each depth i how often the draft i is right once those before it were, and picks the depth with the most
// tokens for the time: (1 + a1 + a1 a2 + …) / cost. Where no depth is faster than none it parks: depth 0, and now and
// then a probe at depth 1, ever more rarely. So a text that cannot be guessed costs next to nothing, and one that
// becomes easy is noticed. Starts with hope, at full depth if the costs allow. No clock, no chance: the depths are a
// function of what it was told. Serves one sequence, or all of them.
class DraftPolicy {
 public:
  // Throws invalid_request for options out of range.
  explicit DraftPolicy(const DraftPolicyOptions& options = {});

  // The drafts to make in the next step. cost[k]: the time of a step that drafts and verifies k tokens, divided by the
  // time of one without drafts, cost[0] = 1; depths beyond the end are not used. Counts one step.
  int next_depth(std::span<const double> cost);

  // What became of a step: `accepted` of `drafted` drafts stood. Nothing drafted (no guess, no budget) is no news.
  void record(int drafted, int accepted);

  // How often draft i (from 0) is expected to stand, once those before it do.
  double acceptance(int i) const;
  // Tokens a unit of cost with this many drafts; 1 without.
  double speedup(int depth, std::span<const double> cost) const;
  bool parked() const { return pause_left_ > 0 || probing_; }

 private:
  struct Count {
    double tried = 0;
    double stood = 0;
  };
  int best_depth(std::span<const double> cost) const;
  void pause();

  DraftPolicyOptions options_;
  std::vector<Count> counts_;  // [max_depth], fading
  bool probing_ = false;
  int probe_left_ = 0;
  int pause_ = 0;
  int pause_left_ = 0;
};

}  // namespace glimt
