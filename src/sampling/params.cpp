#include "sampling/params.h"

#include "base/error.h"
#include "base/json.h"

#include <cmath>
#include <limits>

namespace glimt {
namespace {

constexpr int kMaxTopLogprobs = 100;
constexpr float kMaxPenalty = 1000;  // far beyond any use; keeps every later sum finite

void check_range(std::string_view field, double value, double min, double max) {
  if (!(value >= min && value <= max)) {  // written so that NaN fails too
    fail(ErrorKind::invalid_request, field, "must be from {} to {}, got {}", min, max, value);
  }
}

void check_above(std::string_view field, float value, float bound, float max) {
  if (!(value > bound && value <= max)) {
    fail(ErrorKind::invalid_request, field, "must be above {} and at most {}, got {}", bound, max, value);
  }
}

void check_window(std::string_view field, int value) {
  if (value < -1)
    fail(ErrorKind::invalid_request, field, "must be -1 (all), 0 (off) or a number of tokens, got {}", value);
}

void check_size(std::string_view field, std::size_t size, std::size_t max) {
  if (size > max) fail(ErrorKind::invalid_request, field, "must have at most {} entries, got {}", max, size);
}

}  // namespace

void SamplingParams::validate() const {
  check_range("temperature", temperature, 0, 100);
  check_range("top_k", top_k, 0, std::numeric_limits<int>::max());
  check_range("top_p", top_p, 0, 1);
  check_range("min_p", min_p, 0, 1);
  check_above("typical_p", typical_p, 0, 1);
  check_above("repeat_penalty", repeat_penalty, 0, kMaxPenalty);
  check_range("presence_penalty", presence_penalty, -kMaxPenalty, kMaxPenalty);
  check_range("frequency_penalty", frequency_penalty, -kMaxPenalty, kMaxPenalty);
  check_window("repeat_last_n", repeat_last_n);
  check_range("dry_multiplier", dry.multiplier, 0, kMaxPenalty);
  check_range("dry_base", dry.base, 1, kMaxPenalty);
  check_range("dry_allowed_length", dry.allowed_length, 1, std::numeric_limits<int>::max());
  check_window("dry_last_n", dry.last_n);
  check_size("dry_sequence_breakers", dry.breakers.size(), kMaxDryBreakers);
  check_size("logit_bias", logit_bias.size(), kMaxLogitBias);
  for (const auto& [token, bias] : logit_bias) check_range("logit_bias", bias, -kMaxPenalty, kMaxPenalty);
  check_range("top_logprobs", top_logprobs, 0, kMaxTopLogprobs);
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
  const auto number = [&](std::string_view name, float fallback, double min, double max) {
    return static_cast<float>(fields.number_or(name, fallback, min, max));
  };
  params.temperature = number("temperature", params.temperature, 0, 100);
  params.top_k = static_cast<int>(fields.integer_or("top_k", 0, 0, std::numeric_limits<int>::max()));
  params.top_p = number("top_p", params.top_p, 0, 1);
  params.min_p = number("min_p", 0, 0, 1);
  params.typical_p = number("typical_p", 1, 1e-6, 1);
  if (fields.has("repetition_penalty")) {
    params.repeat_penalty = number("repetition_penalty", 1, 1e-3, kMaxPenalty);
    params.repeat_last_n = -1;  // Hugging Face's looks at the whole history
  }
  if (!fields.boolean_or("do_sample", true)) params.temperature = 0;
  return params;
}

}  // namespace glimt
