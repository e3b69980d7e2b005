// Runs the ranks of a launch until all have ended.
#pragma once

#include "launch/child.h"
#include "launch/ending.h"

#include <string>
#include <vector>

namespace glimt::launch {

struct Rank {
  std::string name;  // "rank 1 (elsewhere)"
  Program program;
  bool remote = false;        // program is ssh: what ends the rank is the end of its input
  std::string settings = {};  // what a remote one reads first; at most kMostSettings bytes
};

inline constexpr std::size_t kMostSettings = 60'000;  // fits into a pipe, so that writing it never waits

// Starts them in order and returns the status of the launch (Ending). Rank 0 has this process' standard input and
// output. What it writes as errors, and all that the others write, goes to descriptor `errors` line by line with the
// rank in front, and so do the messages of the launch itself. If the reader of `errors` is slow, the ranks wait; if it
// is gone, what they write is dropped. No rank outlives the call, nor, on Linux, a SIGKILL of this process. Must be
// called by the thread that main() runs in. Throws not_found and internal if a rank cannot be started.
int run_ranks(const std::vector<Rank>& ranks, Patience patience, int errors);

}  // namespace glimt::launch
