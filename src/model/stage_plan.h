// How a model's layers are cut between machines. Pure.
#pragma once

#include <cstddef>
#include <vector>

namespace glimt {

// Layers of each rank, in the model's order.
struct StagePlan {
  std::vector<int> layers;

  int first(int rank) const;  // layers before this rank's
  int count(int rank) const { return layers[static_cast<std::size_t>(rank)]; }
  int ranks() const { return static_cast<int>(layers.size()); }
};

// Cuts layers of so many bytes each so that the rank with the most bytes has as few as possible; the first rank has
// `first_bytes` besides. Every rank gets a layer. Throws invalid_request for more ranks than layers.
StagePlan cut_evenly(const std::vector<std::size_t>& layer_bytes, std::size_t first_bytes, int ranks);

// What --layers says. Throws invalid_request unless it is a number of at least 1 for each rank, and they sum up to
// `layers`.
StagePlan cut_as_told(const std::vector<int>& told, int layers, int ranks);

}  // namespace glimt
