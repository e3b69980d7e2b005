// What a process is told that computes a model together with others: processes on this machine or on several. Without
// effect where it computes alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace glimt {

// Which of them this process is.
struct ProcessRank {
  int rank = 0;
  int size = 1;

  bool follows() const { return rank > 0; }
};

// How they share a model.
enum class Split : std::uint8_t {
  pipeline,  // each has some of the layers
  tensor,    // each has a part of every layer
};

struct RankOptions {
  Split split = Split::pipeline;

  // Of a pipeline: layers of each rank, in order; empty: cut so that each has about as many bytes.
  std::vector<int> layers;

  // A rank of which nothing is heard for so long is given up, and with it all of them.
  std::chrono::milliseconds step_limit{10'000};

  // Called on a thread of its own if this process still has the group `grace` after it broke: whoever waited for it has
  // got an error by then. A command ends the process here; the text says which rank, and why. May be empty.
  std::function<void(const std::string& why)> when_broken;
  std::chrono::milliseconds grace{1'500};
};

}  // namespace glimt
