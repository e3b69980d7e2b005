#include "kernels/plain_state.h"

#include "kernels/evaluate.h"

#include <algorithm>
#include <limits>

namespace glimt::kernels::plain {
namespace {

// As many shapes of picks as are kept: steps of one to some rows. Prefills do not come here.
constexpr std::size_t kMostPicks = 64;

// Prefills of every length have one of their own.
constexpr std::size_t kMostIntegers = 256;

int cache_row(const StepSequence& sequence, int position) {
  return sequence.blocks[static_cast<std::size_t>(position / kBlockRows)] * kBlockRows + position % kBlockRows;
}

KeyRows key_rows(const StepSequence& sequence) {
  const int count = sequence.position + sequence.length, used = blocks_for(count);
  const int* blocks = sequence.blocks.data();
  const auto follows = [](int a, int b) { return b != a + 1; };
  if (std::adjacent_find(blocks, blocks + used, follows) == blocks + used) {
    return {blocks[0] * kBlockRows + sequence.first_key, count - sequence.first_key, std::nullopt};
  }
  return {sequence.first_key, count - sequence.first_key, uploaded({blocks, blocks + used})};
}

}  // namespace

StepArrays::StepArrays(StepPtr of) : step(std::move(of)), rows(row_count(*step)), positions(0), cache_rows(0) {
  std::vector<int> at, to;
  for (const StepSequence& sequence : *step) {
    keys.push_back(key_rows(sequence));
    for (int position = sequence.position; position < sequence.position + sequence.length; ++position) {
      const int row = cache_row(sequence, position);
      if (!to.empty() && row == to.back() + 1) {
        ++runs.back().count;
      } else {
        runs.push_back({static_cast<int>(to.size()), row, 1});
      }
      at.push_back(position);
      to.push_back(row);
    }
  }
  positions = uploaded(at);
  cache_rows = uploaded(to);
}

PickArrays::PickArrays(int tokens, int k) : token(0), pick(0) {
  std::vector<std::uint32_t> tokens_of, numbers;
  for (int i = 0; i < tokens * k; ++i) {
    tokens_of.push_back(static_cast<std::uint32_t>(i / k));
    numbers.push_back(static_cast<std::uint32_t>(i));
  }
  token = mx::array(tokens_of.begin(), {tokens, k}, mx::uint32);
  pick = mx::array(numbers.begin(), {tokens, k}, mx::uint32);
}

const StepArrays& State::step(const StepPtr& step) {
  if (!step_ || step_->step != step) step_.emplace(step);
  return *step_;
}

const PickArrays& State::picks(int tokens, int k) {
  if (picks_.size() >= kMostPicks && !picks_.contains({tokens, k})) picks_.clear();
  return picks_.try_emplace({tokens, k}, tokens, k).first->second;
}

const mx::array& State::scalar(float value) {
  return scalars_.try_emplace(value, mx::array(value)).first->second;  // as many as the model has constants
}

const mx::array& State::integer(int value) {
  if (integers_.size() >= kMostIntegers) integers_.clear();
  return integers_.try_emplace(value, mx::array(value, mx::int32)).first->second;
}

const mx::array& State::turns(const StepPtr& of, const mx::array& periods) {
  if (!turns_ || turns_->step != of) {
    const mx::array positions = mx::astype(mx::expand_dims(step(of).positions, 1), mx::float32);
    const mx::array angles = mx::divide(positions, periods);
    turns_ = Turns{of, mx::stack({mx::cos(angles), mx::sin(angles)}, -1)};
  }
  return turns_->values;
}

const mx::array& State::causal_mask(int queries, int keys, mx::Dtype dtype) {
  if (!mask_ || mask_->queries != queries || mask_->keys != keys || mask_->values.dtype() != dtype) {
    const mx::array q = mx::expand_dims(mx::arange(keys - queries, keys, mx::int32), 1);
    const mx::array k = mx::arange(0, keys, mx::int32);
    mask_ = Mask{queries, keys,
                 mx::where(mx::greater(k, q), mx::array(-std::numeric_limits<float>::infinity(), dtype),
                           mx::array(0.0f, dtype))};
  }
  return mask_->values;
}

}  // namespace glimt::kernels::plain
