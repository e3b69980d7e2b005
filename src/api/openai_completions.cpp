#include "api/openai_completions.h"

#include "api/limits.h"
#include "api/openai_answer_fields.h"
#include "api/openai_fields.h"
#include "api/openai_sampling.h"
#include "api/stop_strings.h"
#include "api/wire.h"

#include <limits>
#include <utility>

namespace glimt {
namespace {

using Use = ApiField::Use;

constexpr std::int64_t kDefaultMaxTokens = 16;  // OpenAI's

// clang-format off
constexpr ApiField kRequestFields[] = {
    {"model", Use::honoured, R"({"type": "string"})", "a name of GET /v1/models; the default model if absent"},
    {"prompt", Use::honoured, R"({"type": ["string", "array"], "minItems": 1, "maxItems": 64, "items": {"type": "string"}})", "a text or a list of texts, literal: no template, no control tokens", true},
    {"stream", Use::honoured, R"({"type": "boolean"})", "answer in server-sent events"},
    {"stream_options", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/CompletionStreamOptions"})", "what a stream says besides"},
    {"max_tokens", Use::honoured, R"({"type": "integer", "minimum": 1})", "the longest answer; absent: 16"},
    {"n", Use::honoured, R"({"type": "integer", "minimum": 1, "maximum": 16})", "answers to each prompt; their seeds count up"},
    {"stop", Use::honoured, R"({"type": ["string", "array"], "maxItems": 32, "items": {"type": "string"}})", "the text ends before the first of these"},
    openai_fields::kTemperature, openai_fields::kTopP, openai_fields::kTopK, openai_fields::kMinP,
    openai_fields::kTypicalP, openai_fields::kFrequencyPenalty, openai_fields::kPresencePenalty,
    openai_fields::kRepetitionPenalty, openai_fields::kRepeatLastN, openai_fields::kDryMultiplier,
    openai_fields::kDryBase, openai_fields::kDryAllowedLength, openai_fields::kDryLastN, openai_fields::kDryBreakers,
    openai_fields::kLogitBias,
    openai_fields::kSeed,
    {"logprobs", Use::honoured, R"({"type": "integer", "minimum": 0, "maximum": 20})", "of the tokens of the text, with so many alternatives of each"},
    {"echo", Use::honoured, R"({"type": "boolean", "enum": [false]})", "true is not supported"},
    {"best_of", Use::honoured, R"({"type": "integer", "enum": [1]})", "more than 1 is not supported"},
    {"user", Use::carried, "{}", "clients' bookkeeping"},
    {"suffix", Use::refused, "{}", "is not supported: this model does not fill in the middle"},
};
// clang-format on

constexpr ApiObject kRequest{"CompletionRequest", kRequestFields};
constexpr ApiObject kStreamOptions{"CompletionStreamOptions", openai_fields::kStreamOptionFields};
constexpr const ApiObject* kObjects[] = {&kStreamOptions, &kTextChoice};
constexpr ApiOperation kOperations[] = {
    {"POST", "/v1/completions", "The text behind a text, without a template", &kRequest, &kTextCompletion,
     kEventStreamType},
};

std::string prompt_of(const json::value& value, const std::string& path) {
  if (value.is_number() || value.is_array()) {
    refuse(path, "token ids are not supported: send the text", "unsupported_value");
  }
  if (!is_text(value)) refuse(path, fmt::format("must be a string, got {}", shown_json(value)));
  if (value.get_string().empty()) refuse(path, "must not be empty");
  return std::string(value.get_string());
}

std::vector<std::string> read_prompts(const FieldReader& body) {
  const json::value& prompt = *body.find("prompt");
  const std::string path = body.path("prompt");
  if (!prompt.is_array()) return {prompt_of(prompt, path)};
  const json::array& list = prompt.get_array();
  if (list.empty()) refuse(path, "must not be empty");
  if (!list[0].is_number()) check_count(path, list.size(), kMaxPrompts);
  std::vector<std::string> prompts;
  for (std::size_t i = 0; i < list.size(); ++i) prompts.push_back(prompt_of(list[i], fmt::format("{}[{}]", path, i)));
  return prompts;
}

void refuse_what_is_not_done(const FieldReader& body) {
  if (body.boolean_or("echo", false)) refuse("echo", "is not supported", "unsupported_value");
  if (body.integer_or("best_of", 1, 1, kMaxChoices) > 1) {
    refuse("best_of", "more than 1 is not supported; use 'n'", "unsupported_value");
  }
}

void read_answer(const FieldReader& body, ApiRequest& request) {
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  request.stream = body.boolean_or("stream", false);
  request.choices = static_cast<std::size_t>(body.integer_or("n", 1, 1, kMaxChoices));
  if (const std::size_t all = request.choices * request.prompts.size(); all > kMaxAnswers) {
    refuse("n", fmt::format("times the prompts must be at most {} answers, got {}", kMaxAnswers, all));
  }
  request.chat.thinking = false;
  request.chat.max_tokens = static_cast<std::size_t>(body.integer_or("max_tokens", kDefaultMaxTokens, 1, kAny));
  request.chat.stop = read_stop_strings(body, "stop");
  read_openai_sampling(body, request.sampling);
  request.sampling.logprobs = body.has("logprobs");
  request.sampling.top_logprobs = static_cast<int>(body.integer_or("logprobs", 0, 0, kMaxTopLogprobs));
}

}  // namespace

ParsedRequest parse_completions(const json::object& body, const ApiOptions& options) {
  ApiRequest request;
  request.unknown = options.unknown;
  const FieldReader fields(body, kRequest, {}, options.unknown, request.ignored);
  const FieldReader stream_options(fields.object_or_empty("stream_options"), kStreamOptions, "stream_options",
                                   options.unknown, request.ignored);
  refuse_what_is_not_done(fields);
  request.model = fields.string_or("model", {});
  request.prompts = read_prompts(fields);
  read_answer(fields, request);
  const CompletionForm form{.stream = request.stream,
                            .include_usage = stream_options.boolean_or("include_usage", false),
                            .logprobs = request.sampling.logprobs,
                            .choices_a_prompt = request.choices,
                            .prompts = request.prompts.size()};
  return {.request = std::move(request),
          .make_writer = [form](const AnswerHead& head) { return completion_writer(head, form); }};
}

const ApiDescription& completions_description() {
  static const ApiDescription description{"OpenAI: completions", kOperations, kObjects};
  return description;
}

}  // namespace glimt
