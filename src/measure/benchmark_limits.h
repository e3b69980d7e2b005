// What the benchmarks refuse.
#pragma once

#include "base/error.h"

#include <cstdint>

namespace glimt {

// Throws invalid_request, which names the option.
inline void check_at_least(const char* name, int value, int least) {
  if (value < least) fail(ErrorKind::invalid_request, "bench", "{} must be at least {}, got {}", name, least, value);
}

// Throws invalid_request where depth and test need more tokens than the model has.
inline void check_context(std::int64_t needed, std::int64_t context) {
  if (needed <= context) return;
  fail(ErrorKind::invalid_request, "bench", "depth and test need {} tokens of context, the model has {}", needed,
       context);
}

}  // namespace glimt
