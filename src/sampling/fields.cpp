#include "sampling/fields.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace glimt {
namespace {

constexpr double kMaxInt = std::numeric_limits<int>::max();
constexpr double kMaxPenalty = 1000;  // far beyond any use; keeps every later sum finite
constexpr double kMaxTopLogprobs = 100;

// How a field of SamplingParams is read and written.
#define GLIMT_FIELD(field)                                              \
  [](const SamplingParams& p) { return static_cast<double>(p.field); }, \
      [](SamplingParams& p, double value) { p.field = static_cast<decltype(p.field)>(value); }

constexpr auto kReal = SamplingField::Type::real;
constexpr auto kInteger = SamplingField::Type::integer;

// clang-format off
constexpr SamplingField kFields[] = {
    {"temperature", kReal, 0, false, 100, "T", "0 takes the likeliest token", GLIMT_FIELD(temperature)},
    {"top_k", kInteger, 0, false, kMaxInt, "N", "only the N likeliest tokens; 0: all", GLIMT_FIELD(top_k)},
    {"top_p", kReal, 0, false, 1, "P", "only the likeliest tokens that sum to P", GLIMT_FIELD(top_p)},
    {"min_p", kReal, 0, false, 1, "P", "only tokens at least P times as likely as the best", GLIMT_FIELD(min_p)},
    {"typical_p", kReal, 0, true, 1, "P", "locally typical sampling; 1: off", GLIMT_FIELD(typical_p)},
    {"repeat_penalty", kReal, 0, true, kMaxPenalty, "X", "above 1: tokens of prompt and answer become less likely", GLIMT_FIELD(repeat_penalty)},
    {"presence_penalty", kReal, -kMaxPenalty, false, kMaxPenalty, "X", "once for each token that was generated", GLIMT_FIELD(presence_penalty)},
    {"frequency_penalty", kReal, -kMaxPenalty, false, kMaxPenalty, "X", "for each time it was generated", GLIMT_FIELD(frequency_penalty)},
    {"repeat_last_n", kInteger, -1, false, kMaxInt, "N", "tokens that penalties look back on; -1: all", GLIMT_FIELD(repeat_last_n)},
    {"dry_multiplier", kReal, 0, false, kMaxPenalty, "X", "against repeated sequences (DRY); 0: off", GLIMT_FIELD(dry.multiplier)},
    {"dry_base", kReal, 1, false, kMaxPenalty, "X", "DRY: growth with the length of the repeat", GLIMT_FIELD(dry.base)},
    {"dry_allowed_length", kInteger, 1, false, kMaxInt, "N", "DRY: repeats shorter than N are free", GLIMT_FIELD(dry.allowed_length)},
    {"dry_last_n", kInteger, -1, false, kMaxInt, "N", "DRY: tokens searched; -1: all", GLIMT_FIELD(dry.last_n)},
    {"top_logprobs", kInteger, 0, false, kMaxTopLogprobs, "N", "show each token with its N likeliest alternatives", GLIMT_FIELD(top_logprobs)},
};
// clang-format on
#undef GLIMT_FIELD

}  // namespace

void SamplingField::check(double value, std::string_view where, ErrorKind kind) const {
  if (type == Type::integer && value != std::floor(value)) {
    fail(kind, where, "must be a whole number, got {}", value);
  }
  if (value >= min && value <= max && !(excludes_min && value == min)) return;  // false for NaN
  const std::string got =
      type == Type::integer ? fmt::format("{}", value) : fmt::format("{}", static_cast<float>(value));
  fail(kind, where, "must be {} {} {} {}, got {}", excludes_min ? "above" : "from", min,
       excludes_min ? "and at most" : "to", max, got);
}

std::span<const SamplingField> sampling_fields() { return kFields; }

const SamplingField* find_sampling_field(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFields), std::end(kFields), [&](const auto& f) { return f.name == name; });
  return found == std::end(kFields) ? nullptr : found;
}

}  // namespace glimt
