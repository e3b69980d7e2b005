// Whether it pays to wait for rows that another sequence computes right now.
#pragma once

#include "engine/cache_space.h"
#include "engine/sequence.h"

#include <cstddef>
#include <span>

namespace glimt {

struct RowsToCome {
  std::span<const TokenId> tokens;  // of the sequence that computes
  std::size_t computed = 0;         // of these
};

// Both begin with the same tokens, and of those that the one which waits would have to compute itself (all behind the
// first `cached`), at least a quarter are about to be computed, in full blocks of `block_rows`. Reads the tokens.
bool pays_to_wait(std::span<const TokenId> waiting, std::size_t cached, const RowsToCome& other, int block_rows);

// The same of two sequences of one name space: `waiting` is not admitted, `running` is or will be in this step.
bool waits_for_rows(const Sequence& waiting, const Sequence& running, const CacheSpace& cache);

}  // namespace glimt
