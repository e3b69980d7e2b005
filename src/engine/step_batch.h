// One forward pass as a value: the rows of its sequences one behind the other, and where each one's rows lie.
#pragma once

#include "base/token.h"
#include "kernels/paged_rows.h"

#include <mlx/mlx.h>

#include <span>
#include <vector>

namespace glimt {

namespace mx = mlx::core;

class Sequence;

// A sequence's part of a step: `count` tokens from position `start` on.
struct SequenceStep {
  Sequence* sequence = nullptr;
  int count = 0;
  int start = 0;
  bool decodes = false;  // its prompt is computed: every row is the last token or a guess behind it
  bool samples = false;  // its last token is reached: logits for the last row, or for every row when it decodes
  int first = 0;         // its first row among all rows of the batch
  int mtp_depth = 0;     // of the MTP layer's guesses behind this step
  bool embeds = false;   // all its rows count for a vector, and it samples nothing
  bool waits = false;    // its masks were not there in time: it has got no token from this step
  bool ended = false;    // its answer is complete
  bool gone = false;     // it was finished or has failed: `sequence` is no more

  bool goes_on() const { return !gone && !ended; }
};

struct StepBatch {
  std::vector<TokenId> ids;
  kernels::Step sequences;

  // Appends rows of one sequence. Returns the index of the first. first_key: see kernels::StepSequence.
  int add(std::span<const TokenId> tokens, int position, const std::vector<int>& blocks, int first_key = 0);

  bool empty() const { return ids.empty(); }
  mx::array ids_array() const;  // [rows] int32
  kernels::StepPtr step() const { return std::make_shared<const kernels::Step>(sequences); }
};

// The given rows of x, as they are if these are all of them.
mx::array take_rows(const mx::array& x, const std::vector<int>& rows);

// For arrays that were read here and are dropped now: MLX may give their memory to another engine's thread, in an order
// that a thread sanitizer does not see. The kernels over there read what is published here.
void publish_reads();

}  // namespace glimt
