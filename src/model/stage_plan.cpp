#include "model/stage_plan.h"

#include "base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace glimt {
namespace {

// As many layers for each rank as `most` bytes allow, but one for each rank behind it is left over. Empty where that is
// not enough.
std::vector<int> filled(const std::vector<std::size_t>& layer_bytes, std::size_t first_bytes, int ranks,
                        std::size_t most) {
  std::vector<int> layers;
  std::size_t next = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    const std::size_t end = layer_bytes.size() - static_cast<std::size_t>(ranks - 1 - rank);
    std::size_t bytes = rank == 0 ? first_bytes : 0;
    const std::size_t begin = next;
    while (next < end && bytes + layer_bytes[next] <= most) bytes += layer_bytes[next++];
    if (next == begin) return {};
    layers.push_back(static_cast<int>(next - begin));
  }
  return next == layer_bytes.size() ? layers : std::vector<int>();
}

}  // namespace

int StagePlan::first(int rank) const { return std::accumulate(layers.begin(), layers.begin() + rank, 0); }

StagePlan cut_evenly(const std::vector<std::size_t>& layer_bytes, std::size_t first_bytes, int ranks) {
  if (static_cast<int>(layer_bytes.size()) < ranks) {
    fail(ErrorKind::invalid_request, "ranks", "{} of them are too many for a model of {} layers", ranks,
         layer_bytes.size());
  }
  std::size_t low = 0, high = std::accumulate(layer_bytes.begin(), layer_bytes.end(), first_bytes);
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (filled(layer_bytes, first_bytes, ranks, middle).empty()) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {filled(layer_bytes, first_bytes, ranks, low)};
}

StagePlan cut_as_told(const std::vector<int>& told, int layers, int ranks) {
  const bool positive = std::all_of(told.begin(), told.end(), [](int count) { return count >= 1; });
  if (static_cast<int>(told.size()) != ranks || !positive || std::accumulate(told.begin(), told.end(), 0) != layers) {
    fail(ErrorKind::invalid_request, "--layers",
         "a number of layers for each of {} ranks is wanted, {} together, got {}", ranks, layers, fmt::join(told, ","));
  }
  return {told};
}

}  // namespace glimt
