#include "api/api_request.h"

namespace glimt {

SamplingParams SamplingChanges::over(SamplingParams defaults) const {
  for (const auto& [field, value] : numbers) field->set(defaults, value);
  for (const auto& [token, bias] : logit_bias) defaults.logit_bias[token] = bias;
  if (seed) defaults.seed = seed;
  defaults.logprobs = logprobs || top_logprobs > 0;
  defaults.top_logprobs = top_logprobs;
  return defaults;
}

}  // namespace glimt
