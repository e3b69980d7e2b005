#include "engine/cache_plan.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {
namespace {

using kernels::blocks_for;
using kernels::kBlockRows;

std::size_t wanted_context(const CausalLm& model, const EngineOptions& options) {
  const auto longest = static_cast<std::size_t>(model.max_context_length());
  if (options.context > longest) {
    fail(ErrorKind::invalid_request, "context", "{} tokens asked for, the model allows {}", options.context, longest);
  }
  return options.context > 0 ? options.context : longest;
}

// As many blocks as the budget holds, and no more than all sequences could ever fill.
int block_count(const PoolShape& shape, const EngineOptions& options, std::size_t context) {
  const std::size_t affordable = shape.blocks_in(options.cache_memory);
  if (affordable < 2) {
    fail(ErrorKind::invalid_request, "cache memory", "{} bytes are less than two blocks of {} bytes",
         options.cache_memory, shape.block_bytes());
  }
  const std::size_t usable = 2 * (context / kBlockRows + 2) * static_cast<std::size_t>(options.parallel);
  return static_cast<int>(std::min({affordable, usable, std::size_t{1} << 24}));
}

std::size_t affordable_context(std::size_t wanted, const EngineOptions& options, const CachePlan& plan) {
  const std::size_t most = static_cast<std::size_t>(plan.blocks - 1) * kBlockRows;
  if (options.context > most) {
    const std::size_t blocks = static_cast<std::size_t>(blocks_for(static_cast<int>(options.context))) + 1;
    fail(ErrorKind::invalid_request, "context",
         "{} tokens take {} bytes of cache memory, and the cache may have {}: it holds {} tokens", options.context,
         blocks * plan.shape.block_bytes(), options.cache_memory, most);
  }
  return std::min(wanted, most);
}

}  // namespace

CachePlan cache_plan(const CausalLm& model, const EngineOptions& options) {
  const std::size_t wanted = wanted_context(model, options);
  CachePlan plan;
  plan.shape = model.cache_shape();
  if (options.cache_type) plan.shape.type = *options.cache_type;
  plan.blocks = block_count(plan.shape, options, wanted);
  plan.context = affordable_context(wanted, options, plan);
  plan.keeps_mtp_rows = options.speculation != Speculation::off && model.has_mtp();
  return plan;
}

}  // namespace glimt
