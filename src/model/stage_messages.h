// What the ranks of a model say to each other. Rank 0 sends plans: what happens to the cache's blocks and which rows are
// computed, in order. In a pipeline each rank sends hidden states to the next one, and the last one to rank 0. Ranks that
// share each layer get the same states from rank 0, and send their parts of a sum to each other; at the end of a step
// they tell rank 0 how long they have computed.
#pragma once

#include "distributed/message.h"
#include "kernels/paged_rows.h"

#include <mlx/mlx.h>

#include <cstdint>
#include <string>
#include <vector>

namespace glimt {

namespace mx = mlx::core;

// One thing of a plan. Behind each but `forward` the id of a pool comes first.
enum class StageOp : std::uint8_t {
  open_pool,    // row type, blocks
  close_pool,   // nothing more
  copy_rows,    // from, to, count
  read_block,   // block; the rank answers rank 0 with its rows
  write_block,  // block, the rank's rows
  forward,      // whether it is observed, pieces; of each its sequences. Where layers are shared: no, and one piece
};

// What a message is about and which one of these it is: both sides count, and a message out of order shows.
enum class StageTag : std::uint8_t { ready = 1, plan, states, block, observed, sum, seconds };
constexpr std::uint64_t stage_tag(StageTag tag, std::uint64_t number = 0) {
  return static_cast<std::uint64_t>(tag) << 56 | number;
}

void put_step(MessageWriter& message, const kernels::Step& step);
kernels::Step get_step(MessageReader& message);

// Evaluates the array, and copies its elements.
void put_array(MessageWriter& message, const mx::array& x);
mx::array get_array(MessageReader& message);

// Hidden states [N, hidden] behind a stage, and how long each stage so far has computed.
struct StageStates {
  mx::array states;
  std::vector<double> seconds;
};
Bytes to_message(const StageStates& states);
StageStates stage_states(const Bytes& message);

// A step in pieces of at most `rows` rows, in order: a stage computes one while the next stage computes the one before.
std::vector<kernels::StepPtr> cut_step(const kernels::StepPtr& step, int rows);

}  // namespace glimt
