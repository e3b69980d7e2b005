#include "api/responses.h"

#include "api/effort.h"
#include "api/limits.h"
#include "api/problem.h"
#include "api/response_store.h"
#include "api/responses_fields.h"
#include "api/responses_items.h"
#include "api/responses_tools.h"
#include "api/responses_writer.h"
#include "api/sampling_fields.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kShownBytes = 100;  // of an unknown id

constexpr SamplingName kSampling[] = {
    {"temperature", "temperature", 0, 2},
    {"top_p", "top_p"},
    {"top_k", "top_k"},
    {"min_p", "min_p"},
    {"typical_p", "typical_p"},
    {"repetition_penalty", "repeat_penalty"},
};

bool includes(const FieldReader& body, std::string_view name) {
  const json::array& list = body.array_or_empty("include");
  return std::any_of(list.begin(), list.end(),
                     [&](const json::value& item) { return is_text(item) && item.get_string() == name; });
}

void read_reasoning(const FieldReader& body, const ApiOptions& options, ApiRequest& request) {
  const FieldReader reasoning(body.object_or_empty("reasoning"), kResponsesReasoning, "reasoning", options.unknown,
                              request.ignored);
  if (reasoning.has("effort")) apply_effort(reasoning.string_or("effort", {}), "reasoning.effort", request.chat);
}

void read_text_form(const FieldReader& body, const ApiOptions& options, ApiRequest& request) {
  const FieldReader text(body.object_or_empty("text"), kResponsesText, "text", options.unknown, request.ignored);
  if (!text.has("format")) return;
  const FieldReader format(text.object_or_empty("format"), kResponsesTextFormat, "text.format", options.unknown,
                           request.ignored);
  const std::string type = format.one_of("type", "text", {"text", "json_object", "json_schema"});
  if (type == "json_object") request.chat.constraint = JsonObjectOutput{};
  if (type != "json_schema") return;
  if (!format.has("schema")) refuse("text.format.schema", "is required");
  request.chat.constraint = JsonSchemaOutput{format.object_or_empty("schema")};
}

void read_sampling_of(const FieldReader& body, ApiRequest& request) {
  read_sampling(body, kSampling, request.sampling);
  request.sampling.top_logprobs = static_cast<int>(body.integer_or("top_logprobs", 0, 0, kMaxTopLogprobs));
  request.sampling.logprobs = includes(body, "message.output_text.logprobs") || request.sampling.top_logprobs > 0;
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  request.chat.max_tokens = static_cast<std::size_t>(body.integer_or("max_output_tokens", 0, 1, kMax));
}

void refuse_what_is_not_done(const FieldReader& body) {
  if (body.boolean_or("background", false)) refuse("background", "true is not supported", "unsupported_value");
  if (!body.has("input") && !body.has("previous_response_id")) refuse("input", "is required");
}

// What a response repeats of its request, with the defaults of what is absent.
json::object echo_of(const FieldReader& body, const ApiRequest& request) {
  json::object reasoning{{"effort", nullptr}, {"summary", nullptr}};
  for (const auto& [name, value] : body.object_or_empty("reasoning")) reasoning[name] = value;
  json::object text{{"format", {{"type", "text"}}}};
  for (const auto& [name, value] : body.object_or_empty("text")) text[name] = value;
  json::object echo{{"background", false},
                    {"instructions", nullptr},
                    {"max_output_tokens", nullptr},
                    {"metadata", json::object()},
                    {"parallel_tool_calls", true},
                    {"previous_response_id", nullptr},
                    {"store", true},
                    {"temperature", nullptr},
                    {"tool_choice", "auto"},
                    {"tools", json::array()},
                    {"top_logprobs", request.sampling.top_logprobs},
                    {"top_p", nullptr},
                    {"truncation", "disabled"},
                    {"user", nullptr}};
  for (auto& [name, value] : echo) {
    if (const json::value* given = body.find(name)) value = *given;
  }
  echo["reasoning"] = std::move(reasoning);
  echo["text"] = std::move(text);
  return echo;
}

std::shared_ptr<ResponsesPlan> plan_of(const FieldReader& body, const ApiRequest& request, const ApiOptions& options) {
  auto plan = std::make_shared<ResponsesPlan>();
  plan->stream = request.stream;
  plan->echo = echo_of(body, request);
  plan->encrypted_thinking = includes(body, "reasoning.encrypted_content");
  if (body.boolean_or("store", true)) plan->store = options.responses;
  plan->owner = options.key_owner;
  plan->previous_id = body.string_or("previous_response_id", {});
  return plan;
}

ResponsesTools read_tools(const FieldReader& body, const ResponsesInput& input, const ApiOptions& options,
                          ApiRequest& request) {
  std::vector<ResponsesTools::List> lists{{body.array_or_empty("tools"), "tools", false}};
  for (const ResponsesTools::List& list : additional_tools(input, request.ignored)) lists.push_back(list);
  ResponsesTools tools(lists, options.unknown, request.ignored);
  request.chat.tools = tools.functions();
  const ToolChoice choice = tools.choice(body.find("tool_choice"), body.boolean_or("parallel_tool_calls", true),
                                         options.unknown, request.ignored);
  apply_tool_choice(choice, "tool_choice", request.chat);
  return tools;
}

json::array with_instructions(const FieldReader& body, json::array messages) {
  const std::string instructions = body.string_or("instructions", {});
  if (!instructions.empty()) {
    messages.insert(messages.begin(), json::object{{"role", "system"}, {"content", instructions}});
  }
  return messages;
}

}  // namespace

ParsedRequest parse_responses(const json::object& body_json, const ApiOptions& options) {
  ApiRequest request;
  const FieldReader body(body_json, kResponsesRequest, {}, options.unknown, request.ignored);
  refuse_what_is_not_done(body);
  request.model = body.string_or("model", {});
  request.stream = body.boolean_or("stream", false);
  request.unknown = options.unknown;
  request.drop_oldest = body.one_of("truncation", "disabled", {"auto", "disabled"}) == "auto";
  request.chat.stream_calls = request.stream;
  request.chat.template_options["clear_thinking"] = false;  // so that what was said before stays a prefix
  read_sampling_of(body, request);
  read_reasoning(body, options, request);
  read_text_form(body, options, request);

  const std::shared_ptr<ResponsesPlan> plan = plan_of(body, request, options);
  const json::value* given = body.find("input");
  ResponsesInput input = resolve_input(given == nullptr ? json::value() : *given, plan->previous_id, options);
  plan->tools = read_tools(body, input, options, request);
  request.chat.messages = with_instructions(body, messages_of_items(input, plan->tools, request.ignored));
  if (plan->store != nullptr) plan->input = dump_json(input.items);
  return {std::move(request), [plan](const AnswerHead& head) { return make_responses_writer(plan, head); }};
}

ApiError response_not_found(const std::string& id) {
  return {ErrorKind::not_found,
          {.status = 404,
           .message = fmt::format("Response with id '{}' not found.", id.substr(0, kShownBytes)),
           .param = "id",
           .code = {}}};
}

json::object get_response(const std::string& id, const ApiOptions& options) {
  std::optional<json::object> body;
  if (options.responses != nullptr) body = options.responses->body(options.key_owner, id);
  if (!body) throw response_not_found(id);
  return std::move(*body);
}

json::object delete_response(const std::string& id, const ApiOptions& options) {
  if (options.responses == nullptr || !options.responses->erase(options.key_owner, id)) throw response_not_found(id);
  return {{"id", id}, {"object", "response"}, {"deleted", true}};
}

}  // namespace glimt
