// The windows of a batch through one layer.
#pragma once

#include "cache/latent_pool.h"
#include "kernels/kernels.h"
#include "measure/text_windows.h"
#include "model/decoder_layer.h"

#include <algorithm>
#include <vector>

namespace glimt {

// States [windows · length, hidden] through `layer`, at most `step_rows` tokens, or one token of each window, at a time.
// layer(x, rows, step) -> the states behind it; the rows of the cache last as long as this call. first_key 1 if the
// windows' first token has no row (StepSequence).
template <typename Layer>
mx::array pass_windows(const mx::array& states, int windows, const PoolShape& shape, int step_rows, const Layer& layer,
                       int first_key = 0) {
  const int length = states.shape(0) / windows;
  UniformCache cache(shape, windows, length, first_key);
  std::vector<mx::array> parts;
  const int chunk = windows > 1 ? length : step_rows;
  for (int from = 0; from < length; from += chunk) {
    const int count = std::min(chunk, length - from), rows = windows * count;
    const mx::array x = mx::slice(states, {from, 0}, {from + rows, states.shape(1)});
    parts.push_back(layer(x, cache.pool().layer(0), cache.extend(count)));
    kernels::evaluate({parts.back()});
  }
  if (parts.size() == 1) return parts.front();
  const mx::array all = mx::concatenate(parts, 0);
  kernels::evaluate({all});
  return all;
}

inline mx::array pass_windows(const mx::array& states, int windows, const PoolShape& shape, int step_rows,
                              const DecoderLayer& layer) {
  const auto forward = [&](const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step) {
    return layer.forward({x, std::nullopt}, rows, step, {}).sum();
  };
  return pass_windows(states, windows, shape, step_rows, forward);
}

}  // namespace glimt
