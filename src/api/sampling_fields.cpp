#include "api/sampling_fields.h"

#include "api/limits.h"

#include <algorithm>
#include <cassert>

namespace glimt {

void read_sampling(const FieldReader& object, std::span<const SamplingName> names, SamplingChanges& changes) {
  for (const SamplingName& named : names) {
    if (!object.has(named.name)) continue;
    const SamplingField* field = find_sampling_field(named.field);
    assert(field != nullptr);
    const double value =
        object.number_or(named.name, 0, std::max(named.min, field->min), std::min(named.max, field->max));
    field->check(value, object.path(named.name));
    changes.numbers.emplace_back(field, value);
  }
}

void read_logprobs(const FieldReader& object, SamplingChanges& changes) {
  changes.logprobs = object.boolean_or("logprobs", false);
  changes.top_logprobs = static_cast<int>(object.integer_or("top_logprobs", 0, 0, kMaxTopLogprobs));
  if (changes.top_logprobs > 0 && !changes.logprobs) {
    refuse(object.path("top_logprobs"), "needs 'logprobs' to be true");
  }
}

}  // namespace glimt
