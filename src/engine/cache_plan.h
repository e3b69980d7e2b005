// What the options of an engine mean for one model: how many tokens it takes, and how many blocks hold their rows.
#pragma once

#include "engine/engine_options.h"
#include "model/causal_lm.h"

#include <cstddef>

namespace glimt {

struct CachePlan {
  PoolShape shape;
  int blocks = 0;
  std::size_t context = 0;  // most tokens of prompt and answer
  bool keeps_mtp_rows = false;
};

// A context that was asked for is kept or refused; only the default may shrink to what the cache memory holds. Throws
// invalid_request for a context that the model or the memory does not allow, and for memory of less than two blocks.
// REQUIRES: cache_memory is set.
CachePlan cache_plan(const CausalLm& model, const EngineOptions& options);

}  // namespace glimt
