#include "api/openai_completions.h"

#include "api/limits.h"
#include "api/openai_answer_fields.h"
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
    {"temperature", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 2})", "absent: the model's own, as with all numbers of sampling"},
    {"top_p", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "only the likeliest tokens that sum to this"},
    {"top_k", Use::honoured, R"({"type": "integer", "minimum": 0})", "only so many of the likeliest tokens; an extension"},
    {"min_p", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "only tokens so likely relative to the best; an extension"},
    {"typical_p", Use::honoured, R"({"type": "number", "exclusiveMinimum": 0, "maximum": 1})", "locally typical sampling; an extension"},
    {"frequency_penalty", Use::honoured, R"({"type": "number", "minimum": -2, "maximum": 2})", "for each time that a token was generated"},
    {"presence_penalty", Use::honoured, R"({"type": "number", "minimum": -2, "maximum": 2})", "once for each token that was generated"},
    {"repetition_penalty", Use::honoured, R"({"type": "number", "exclusiveMinimum": 0, "maximum": 1000})", "above 1: tokens of prompt and answer become less likely; an extension"},
    {"repeat_last_n", Use::honoured, R"({"type": "integer", "minimum": -1})", "tokens that penalties look back on; absent or -1: all; an extension"},
    {"dry_multiplier", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1000})", "against repeated sequences (DRY); 0: off; an extension"},
    {"dry_base", Use::honoured, R"({"type": "number", "minimum": 1, "maximum": 1000})", "DRY: growth with the length of the repeat; an extension"},
    {"dry_allowed_length", Use::honoured, R"({"type": "integer", "minimum": 1})", "DRY: shorter repeats are free; an extension"},
    {"dry_last_n", Use::honoured, R"({"type": "integer", "minimum": -1})", "DRY: tokens searched; -1: all; an extension"},
    {"logit_bias", Use::honoured, R"({"type": "object", "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}})", "added to the logits of tokens, by their decimal ids"},
    {"seed", Use::honoured, R"({"type": "integer"})", "same seed, same text, in any company, while system_fingerprint is the same"},
    {"logprobs", Use::honoured, R"({"type": "integer", "minimum": 0, "maximum": 20})", "of the tokens of the text, with so many alternatives of each"},
    {"echo", Use::honoured, R"({"type": "boolean", "enum": [false]})", "true is not supported"},
    {"best_of", Use::honoured, R"({"type": "integer", "enum": [1]})", "more than 1 is not supported"},
    {"user", Use::carried, "{}", "clients' bookkeeping"},
    {"suffix", Use::refused, "{}", "is not supported: this model does not fill in the middle"},
};

constexpr ApiField kStreamOptionFields[] = {
    {"include_usage", Use::honoured, R"({"type": "boolean"})", "a last chunk with the numbers of tokens"},
    {"include_obfuscation", Use::carried, "{}", "no padding is sent"},
};
// clang-format on

constexpr ApiObject kRequest{"CompletionRequest", kRequestFields};
constexpr ApiObject kStreamOptions{"CompletionStreamOptions", kStreamOptionFields};
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
