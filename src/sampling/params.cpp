#include "sampling/params.h"

#include "base/error.h"
#include "base/json.h"
#include "sampling/fields.h"

#include <cmath>

namespace glimt {
namespace {

constexpr float kMaxBias = 1000;  // far beyond any use; keeps every later sum finite

void check_size(std::string_view field, std::size_t size, std::size_t max) {
  if (size > max) fail(ErrorKind::invalid_request, field, "must have at most {} entries, got {}", max, size);
}

// A field of generation_config.json, if it is there.
void take(const JsonFields& fields, std::string_view key, const SamplingField& field, SamplingParams& params) {
  if (!fields.has(key)) return;
  const double value = field.type == SamplingField::Type::integer
                           ? static_cast<double>(fields.integer(key, static_cast<std::int64_t>(field.min),
                                                                static_cast<std::int64_t>(field.max)))
                           : fields.number(key, field.min, field.max);
  field.check(value, fmt::format("{}: field '{}'", fields.where(), key), fields.kind());
  field.set(params, value);
}

}  // namespace

void SamplingParams::validate() const {
  for (const SamplingField& field : sampling_fields()) field.check(field.get(*this), field.name);
  check_size("dry_sequence_breakers", dry.breakers.size(), kMaxDryBreakers);
  check_size("logit_bias", logit_bias.size(), kMaxLogitBias);
  for (const auto& [token, bias] : logit_bias) {
    if (std::abs(bias) <= kMaxBias) continue;  // false for NaN
    fail(ErrorKind::invalid_request, "logit_bias", "must be from {} to {}, got {}", -kMaxBias, kMaxBias, bias);
  }
  if (top_logprobs > 0 && !logprobs) {
    fail(ErrorKind::invalid_request, "top_logprobs", "needs logprobs to be true");
  }
}

SamplingParams SamplingParams::from_generation_config(const std::filesystem::path& folder) {
  SamplingParams params;
  params.top_p = 0.95F;
  const std::filesystem::path path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return params;

  const json::value document = parse_json_file(path);
  if (!document.is_object()) fail(ErrorKind::bad_file, path.string(), "must hold a JSON object");
  const JsonFields fields(document.get_object(), path.string());
  for (const std::string_view name : {"temperature", "top_k", "top_p", "min_p", "typical_p"}) {
    take(fields, name, *find_sampling_field(name), params);
  }
  take(fields, "repetition_penalty", *find_sampling_field("repeat_penalty"), params);
  if (fields.has("repetition_penalty")) params.repeat_last_n = -1;  // Hugging Face's looks at the whole history
  if (!fields.boolean_or("do_sample", true)) params.temperature = 0;
  return params;
}

}  // namespace glimt
