// Small arrays that the plain definitions use in every layer, made once: on a GPU each array that the host fills costs
// a transfer and a page fault, and each one that is computed a kernel. A device holds one (device.h); used by the
// thread that owns the model.
#pragma once

#include "kernels/paged_rows.h"

#include <mlx/mlx.h>

#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace glimt::kernels::plain {

namespace mx = mlx::core;

// `count` new rows of a step, from `from` on, that lie one behind the other in the cache, from row `to` on.
struct RowRun {
  int from, to, count;
};

// The cache rows that a sequence of the step sees: rows first … first + count, or, where its blocks are scattered, the
// same rows of the blocks that `blocks` names.
struct KeyRows {
  int first;
  int count;
  std::optional<mx::array> blocks;  // [used] int32
};

// What all layers of a step share.
struct StepArrays {
  explicit StepArrays(StepPtr of);

  StepPtr step;  // kept alive, so that its address names it
  int rows;
  mx::array positions;  // [N] int32, of each row in its sequence
  std::vector<RowRun> runs;
  mx::array cache_rows;       // [N] int32, where each row goes
  std::vector<KeyRows> keys;  // of each sequence
};

// For `tokens` rows with k picks each, as gather operations take them: [tokens, k] uint32.
struct PickArrays {
  PickArrays(int tokens, int k);
  mx::array token;  // of each pick
  mx::array pick;   // its own number
};

class State {
 public:
  const StepArrays& step(const StepPtr& step);
  const PickArrays& picks(int tokens, int k);
  const mx::array& scalar(float value);  // float32
  const mx::array& integer(int value);   // int32

  // Cosine and sine of the angles position / period of the step's rows: [N, periods, 2] float32. The model
  // has one set of periods.
  const mx::array& turns(const StepPtr& step, const mx::array& periods);

  // Additive mask [queries, keys]: query i, at position keys - queries + i, sees the keys up to itself.
  const mx::array& causal_mask(int queries, int keys, mx::Dtype dtype);

 private:
  struct Turns {
    StepPtr step;
    mx::array values;
  };
  struct Mask {
    int queries, keys;
    mx::array values;
  };
  std::optional<StepArrays> step_;
  std::map<std::pair<int, int>, PickArrays> picks_;  // a few small ones
  std::map<float, mx::array> scalars_;
  std::map<int, mx::array> integers_;
  std::optional<Turns> turns_;
  std::optional<Mask> mask_;
};

}  // namespace glimt::kernels::plain
