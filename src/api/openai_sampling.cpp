#include "api/openai_sampling.h"

#include "api/limits.h"
#include "api/sampling_fields.h"

#include <algorithm>
#include <charconv>

namespace glimt {
namespace {

constexpr SamplingName kNames[] = {
    {"temperature", "temperature", 0, 2},
    {"top_p", "top_p"},
    {"top_k", "top_k"},
    {"min_p", "min_p"},
    {"typical_p", "typical_p"},
    {"dry_multiplier", "dry_multiplier"},
    {"dry_base", "dry_base"},
    {"dry_allowed_length", "dry_allowed_length"},
    {"dry_last_n", "dry_last_n"},
};

constexpr SamplingName kLookBack[] = {{"repeat_last_n", "repeat_last_n"}};

constexpr SamplingName kPenalties[] = {
    {"frequency_penalty", "frequency_penalty", -2, 2},
    {"presence_penalty", "presence_penalty", -2, 2},
    {"repetition_penalty", "repeat_penalty"},
};

constexpr double kMaxBias = 100;

TokenId token_of(std::string_view key, const std::string& path) {
  TokenId token = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
  if (error != std::errc() || end != key.data() + key.size() || token < 0) {
    refuse(path, fmt::format("keys must be decimal token ids, got {}", shown_json(json::value(key))));
  }
  return token;
}

void read_bias(const FieldReader& body, SamplingChanges& changes) {
  const json::object& biases = body.object_or_empty("logit_bias");
  const std::string path = body.path("logit_bias");
  check_count(path, biases.size(), SamplingParams::kMaxLogitBias);
  for (const auto& [key, value] : biases) {
    const std::optional<double> bias = number_of(value);
    if (!bias || !(*bias >= -kMaxBias && *bias <= kMaxBias)) {
      refuse(path, fmt::format("values must be numbers from -100 to 100, got {}", shown_json(value)));
    }
    changes.logit_bias[token_of(key, path)] = static_cast<float>(*bias);
  }
}

void read_breakers(const FieldReader& body, SamplingChanges& changes) {
  if (!body.has("dry_sequence_breakers")) return;
  const json::array& texts = body.array_or_empty("dry_sequence_breakers");
  const std::string path = body.path("dry_sequence_breakers");
  check_count(path, texts.size(), kMaxDryBreakers);
  std::vector<std::string>& breakers = changes.dry_breakers.emplace();
  for (const json::value& text : texts) {
    if (!is_text(text) || text.get_string().empty() || text.get_string().size() > kMaxStopBytes) {
      refuse(path, fmt::format("texts of 1 to {} bytes are wanted, got {}", kMaxStopBytes, shown_json(text)));
    }
    breakers.emplace_back(text.get_string());
  }
}

}  // namespace

void read_openai_sampling(const FieldReader& body, SamplingChanges& changes) {
  read_sampling(body, kNames, changes);
  const std::size_t before = changes.numbers.size();
  read_sampling(body, kPenalties, changes);
  if (changes.numbers.size() > before) changes.numbers.emplace_back(find_sampling_field("repeat_last_n"), -1);
  read_sampling(body, kLookBack, changes);
  read_bias(body, changes);
  read_breakers(body, changes);
  if (body.has("seed")) {
    using Limits = std::numeric_limits<std::int64_t>;
    changes.seed = static_cast<std::uint64_t>(body.integer_or("seed", 0, Limits::min(), Limits::max()));
  }
}

std::vector<SamplingName> openai_sampling_names() {
  std::vector<SamplingName> all(std::begin(kNames), std::end(kNames));
  all.insert(all.end(), std::begin(kPenalties), std::end(kPenalties));
  all.insert(all.end(), std::begin(kLookBack), std::end(kLookBack));
  return all;
}

std::size_t read_max_tokens(const FieldReader& body) {
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  const std::int64_t given =
      std::min(body.integer_or("max_completion_tokens", kAny, 1, kAny), body.integer_or("max_tokens", kAny, 1, kAny));
  return given == kAny ? 0 : static_cast<std::size_t>(given);
}

}  // namespace glimt
