#include "api/ollama_options.h"

#include "api/effort.h"
#include "api/go_duration.h"
#include "api/ollama_fields.h"
#include "api/sampling_fields.h"
#include "api/stop_strings.h"

#include <algorithm>
#include <limits>

namespace glimt {
namespace {

constexpr SamplingName kSampling[] = {
    {.name = "temperature", .field = "temperature"},
    {.name = "top_p", .field = "top_p"},
    {.name = "min_p", .field = "min_p"},
    {.name = "typical_p", .field = "typical_p"},
    {.name = "repeat_penalty", .field = "repeat_penalty"},
    {.name = "repeat_last_n", .field = "repeat_last_n"},
    {.name = "presence_penalty", .field = "presence_penalty"},
    {.name = "frequency_penalty", .field = "frequency_penalty"},
};

constexpr std::int64_t kAnyInteger = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kRandomSeed = -1;

// Options of samplers that there are not: only the value that turns them off.
void check_off(const FieldReader& options, std::string_view name, double off) {
  if (options.number_or(name, off, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()) != off) {
    options.wrong(name, fmt::format("{}: this sampler is not supported", off));
  }
}

void read_top_k(const FieldReader& options, SamplingChanges& changes) {
  if (!options.has("top_k")) return;
  const std::int64_t top_k = options.integer_or("top_k", 0, -1, std::numeric_limits<int>::max());
  changes.numbers.emplace_back(find_sampling_field("top_k"), static_cast<double>(std::max<std::int64_t>(top_k, 0)));
}

std::chrono::nanoseconds seconds_to_stay(double seconds) {
  constexpr double kMost = 9e9;  // seconds that fit into nanoseconds
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(seconds, kMost) * 1e9));
}

}  // namespace

KeepAlive read_keep_alive(const FieldReader& body) {
  const json::value* value = body.find("keep_alive");
  if (value == nullptr) return std::nullopt;
  constexpr std::chrono::nanoseconds kForEver(-1);
  if (const std::optional<double> seconds = number_of(*value)) {
    return *seconds < 0 ? kForEver : seconds_to_stay(*seconds);
  }
  const auto duration = is_text(*value) ? parse_go_duration(std::string_view(value->get_string())) : std::nullopt;
  if (!duration) body.wrong("keep_alive", "a number of seconds or a duration as \"5m\"");
  return *duration < std::chrono::nanoseconds(0) ? kForEver : *duration;
}

void read_ollama_options(const FieldReader& body, ApiRequest& request) {
  const FieldReader options(body.object_or_empty("options"), kOllamaOptions, body.path("options"),
                            UnknownFields::ignore, request.ignored);
  read_sampling(options, kSampling, request.sampling);
  read_top_k(options, request.sampling);
  const std::int64_t seed =
      options.integer_or("seed", kRandomSeed, std::numeric_limits<std::int64_t>::min(), kAnyInteger);
  if (seed != kRandomSeed) request.sampling.seed = static_cast<std::uint64_t>(seed);
  // -1: no limit, -2: as many as the context holds, which is the same here.
  const std::int64_t most = options.integer_or("num_predict", 0, -2, kAnyInteger);
  request.chat.max_tokens = static_cast<std::size_t>(std::max<std::int64_t>(most, 0));
  request.context = static_cast<std::size_t>(options.integer_or("num_ctx", 0, 0, kAnyInteger));
  request.chat.stop = read_stop_strings(options, "stop");
  check_off(options, "mirostat", 0);
  check_off(options, "tfs_z", 1);
}

void read_think(const FieldReader& body, ChatRequest& chat) {
  chat.thinking = true;
  const json::value* think = body.find("think");
  if (think == nullptr) return;
  if (think->is_bool()) {
    chat.thinking = think->get_bool();
    return;
  }
  for (const std::string_view word : {"low", "medium", "high", "max"}) {
    if (*think == json::value(word)) return apply_effort(word, body.path("think"), chat);
  }
  body.wrong("think", "true, false, 'low', 'medium', 'high' or 'max'");
}

void read_ollama_format(const FieldReader& body, ChatRequest& chat) {
  const json::value* format = body.find("format");
  if (format == nullptr || *format == json::value("")) return;
  if (format->is_object()) {
    chat.constraint = JsonSchemaOutput{*format};
  } else if (*format == json::value("json")) {
    chat.constraint = JsonObjectOutput{};
  } else {
    body.wrong("format", "'json' or a JSON schema");
  }
}

void read_ollama_answer(const FieldReader& body, ApiRequest& request) {
  request.unknown = UnknownFields::ignore;
  request.model = body.string_or("model", "");
  request.stream = body.boolean_or("stream", true);
  request.keep_alive = read_keep_alive(body);
  request.drop_oldest = body.boolean_or("truncate", false);
  if (body.boolean_or("shift", false)) body.wrong("shift", "false: an answer ends where the context does");
  request.chat.template_options["clear_thinking"] = false;
  read_ollama_options(body, request);
  read_think(body, request.chat);
  read_ollama_format(body, request.chat);
  read_logprobs(body, request.sampling);
}

}  // namespace glimt
