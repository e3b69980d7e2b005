// The numbers of sampling, as each dialect calls and bounds them.
#pragma once

#include "api/api_request.h"
#include "api/fields.h"

#include <limits>
#include <span>
#include <string_view>

namespace glimt {

struct SamplingName {
  std::string_view name;   // in the dialect, and in the table of the object that has it
  std::string_view field;  // in sampling/fields
  // The dialect's bounds, where they are tighter than the field's.
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

// Adds those that the object has to changes.numbers. Throws invalid_request.
void read_sampling(const FieldReader& object, std::span<const SamplingName> names, SamplingChanges& changes);

// `logprobs` (a boolean) and `top_logprobs`, 0 to 20, which needs the former to be true.
void read_logprobs(const FieldReader& object, SamplingChanges& changes);

}  // namespace glimt
