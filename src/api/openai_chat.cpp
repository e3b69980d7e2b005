#include "api/openai_chat.h"

#include "api/history.h"
#include "api/limits.h"
#include "api/openai_answer_fields.h"
#include "api/openai_chat_writer.h"
#include "api/openai_fields.h"
#include "api/openai_sampling.h"
#include "api/openai_thinking.h"
#include "api/openai_tool_choice.h"
#include "api/sampling_fields.h"
#include "api/stop_strings.h"
#include "api/wire.h"

#include <utility>

namespace glimt {
namespace {

using Use = ApiField::Use;

// clang-format off
constexpr ApiField kRequestFields[] = {
    {"model", Use::honoured, R"({"type": "string"})", "a name of GET /v1/models; the default model if absent"},
    {"messages", Use::honoured, R"({"type": "array", "minItems": 1, "maxItems": 16384, "items": {"$ref": "#/components/schemas/ChatMessage"}})", "the conversation", true},
    {"stream", Use::honoured, R"({"type": "boolean"})", "answer in server-sent events"},
    {"stream_options", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/ChatStreamOptions"})", "what a stream says besides"},
    {"max_completion_tokens", Use::honoured, R"({"type": "integer", "minimum": 1})", "the longest answer, thinking included; more than the context holds is lowered to that"},
    {"max_tokens", Use::honoured, R"({"type": "integer", "minimum": 1})", "the same; of two the smaller holds"},
    {"n", Use::honoured, R"({"type": "integer", "minimum": 1, "maximum": 16})", "answers to the same prompt; their seeds count up"},
    {"stop", Use::honoured, R"({"type": ["string", "array"], "maxItems": 32, "items": {"type": "string"}})", "the content ends before the first of these; they do not act on the thinking"},
    openai_fields::kTemperature, openai_fields::kTopP, openai_fields::kTopK, openai_fields::kMinP,
    openai_fields::kTypicalP, openai_fields::kFrequencyPenalty, openai_fields::kPresencePenalty,
    openai_fields::kRepetitionPenalty, openai_fields::kRepeatLastN, openai_fields::kDryMultiplier,
    openai_fields::kDryBase, openai_fields::kDryAllowedLength, openai_fields::kDryLastN, openai_fields::kDryBreakers,
    openai_fields::kLogitBias,
    openai_fields::kSeed,
    {"logprobs", Use::honoured, R"({"type": "boolean"})", "of the tokens of the content"},
    {"top_logprobs", Use::honoured, R"({"type": "integer", "minimum": 0, "maximum": 20})", "so many alternatives of each; needs logprobs"},
    {"tools", Use::honoured, R"({"type": "array", "maxItems": 1024, "items": {"$ref": "#/components/schemas/ChatTool"}})", "functions that may be called"},
    {"tool_choice", Use::honoured, R"({"type": ["string", "object"]})", "auto, none, required, one function, or allowed_tools"},
    {"parallel_tool_calls", Use::honoured, R"({"type": "boolean"})", "false: the answer ends behind its first call"},
    {"response_format", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/ChatResponseFormat"})", "text, json_object, json_schema, or the extensions regex and grammar; with tools the answer is calls or the JSON"},
    {"reasoning_effort", Use::honoured, R"({"type": "string", "enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]})", "none: no thinking; minimal 512, low 2048, medium 8192, high 24576 tokens of it; else no limit"},
    {"reasoning", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/ChatReasoning"})", "the same, as Open WebUI and Ollama have it"},
    {"thinking", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/ChatThinking"})", "Z.ai's form"},
    {"chat_template_kwargs", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/ChatTemplateOptions"})", "these count over the fields above"},
    {"continue_final_message", Use::honoured, R"({"type": "boolean"})", "the last message, an assistant's, is the beginning of the answer; an extension"},
    {"glimt", Use::honoured, R"({"type": "boolean"})", "tell how the answer is made: in \"glimt\" of chunks before the first token, beside the usage, and in each token's logprobs; an extension"},
    {"modalities", Use::honoured, R"({"type": "array"})", "[\"text\"]; there is no other"},
    {"user", Use::carried, "{}", "clients' bookkeeping"},
    {"safety_identifier", Use::carried, "{}", "clients' bookkeeping"},
    {"metadata", Use::carried, "{}", "clients' bookkeeping"},
    {"store", Use::carried, "{}", "nothing is stored"},
    {"service_tier", Use::carried, "{}", "there is one"},
    {"prompt_cache_key", Use::carried, "{}", "every prefix is cached"},
    {"prompt_cache_retention", Use::carried, "{}", "every prefix is cached"},
    {"prompt_cache_options", Use::carried, "{}", "every prefix is cached"},
    {"verbosity", Use::carried, "{}", "a hint that this model does not know"},
    {"prediction", Use::carried, "{}", "a hint; guessing ahead needs none"},
    {"functions", Use::refused, "{}", "is deprecated and not supported; use 'tools'"},
    {"function_call", Use::refused, "{}", "is deprecated and not supported; use 'tool_choice'"},
    {"audio", Use::refused, "{}", "is not supported: this model writes text only"},
    {"web_search_options", Use::refused, "{}", "is not supported: this server does not search the web"},
    {"moderation", Use::refused, "{}", "is not supported"},
};

constexpr ApiField kFormatFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["text", "json_object", "json_schema", "regex", "grammar"]})", "the form of the answer", true},
    {"json_schema", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/ChatJsonSchema"})", "of the type json_schema"},
    {"pattern", Use::honoured, R"({"type": "string"})", "of the type regex, in Rust's syntax: the whole answer matches"},
    {"grammar", Use::honoured, R"({"type": "string"})", "of the type grammar, in Lark's syntax: the whole answer fits"},
};
constexpr ApiField kSchemaFields[] = {
    {"name", Use::carried, R"({"type": "string"})", "for the client"},
    {"schema", Use::honoured, R"({"type": ["object", "boolean"]})", "a JSON schema; absent: any object"},
    {"strict", Use::carried, R"({"type": "boolean"})", "the schema always holds"},
    {"description", Use::carried, R"({"type": "string"})", "for the client"},
};
// clang-format on

constexpr ApiObject kRequest{"ChatCompletionRequest", kRequestFields};

constexpr ApiObject kStreamOptions{"ChatStreamOptions", openai_fields::kStreamOptionFields};
constexpr ApiObject kFormat{"ChatResponseFormat", kFormatFields};
constexpr ApiObject kSchema{"ChatJsonSchema", kSchemaFields};

// Reads the body into `request`; the parts in the order of the fields' table.
class Parser {
 public:
  Parser(const json::object& body, const ApiOptions& options)
      : unknown_(options.unknown), body_(body, kRequest, {}, unknown_, request_.ignored) {
    request_.unknown = unknown_;
  }

  ParsedRequest parse() {
    request_.model = body_.string_or("model", {});
    read_messages();
    read_form();
    read_openai_sampling(body_, request_.sampling);
    read_logprobs(body_, request_.sampling);
    read_openai_thinking(body_, unknown_, request_.ignored, request_.chat);
    read_response_format();
    read_tools();
    return {.request = std::move(request_),
            .make_writer = [form = form_](const AnswerHead& head) { return chat_completion_writer(head, form); }};
  }

 private:
  FieldReader part(std::string_view name, const ApiObject& table) {
    return {body_.object_or_empty(name), table, body_.path(name), unknown_, request_.ignored};
  }

  void read_messages() {
    const json::array& messages = body_.array_or_empty("messages");
    if (messages.empty()) refuse("messages", "must have at least one message");
    request_.chat.messages = read_history(messages, unknown_, request_.ignored);
    request_.continues_answer = body_.boolean_or("continue_final_message", false);
    if (request_.continues_answer && request_.chat.messages.back().at("role") != "assistant") {
      refuse("continue_final_message", "needs a last message of the role assistant");
    }
  }

  void read_form() {
    for (const json::value& modality : body_.array_or_empty("modalities")) {
      if (modality != "text") refuse("modalities", "this model writes text only", "unsupported_value");
    }
    request_.choices = static_cast<std::size_t>(body_.integer_or("n", 1, 1, kMaxChoices));
    request_.stream = body_.boolean_or("stream", false);
    request_.chat.stream_calls = request_.stream;
    request_.chat.max_tokens = read_max_tokens(body_);
    request_.chat.stop = read_stop_strings(body_, "stop");
    form_ = {.stream = request_.stream,
             .include_usage = part("stream_options", kStreamOptions).boolean_or("include_usage", false),
             .logprobs = body_.boolean_or("logprobs", false),
             .details = body_.boolean_or("glimt", false),
             .choices = request_.choices};
    request_.tells_progress = form_.stream && form_.details;
  }

  void read_response_format() {
    if (!body_.has("response_format")) return;
    const FieldReader format = part("response_format", kFormat);
    const std::string type = format.one_of("type", {}, {"text", "json_object", "json_schema", "regex", "grammar"});
    if (type == "text") return;
    if (type == "regex") {
      request_.chat.constraint = RegexOutput{required_text(format, "pattern")};
    } else if (type == "grammar") {
      request_.chat.constraint = LarkOutput{required_text(format, "grammar")};
    } else {
      request_.chat.constraint = JsonObjectOutput{};
    }
    if (type != "json_schema") return;
    if (!format.has("json_schema")) refuse(format.path("json_schema"), "is required");
    const FieldReader named(format.object_or_empty("json_schema"), kSchema, format.path("json_schema"), unknown_,
                            request_.ignored);
    if (const json::value* schema = named.find("schema")) request_.chat.constraint = JsonSchemaOutput{*schema};
  }

  static std::string required_text(const FieldReader& object, std::string_view name) {
    std::string text = object.string_or(name, {});
    if (text.empty()) refuse(object.path(name), "is required");
    return text;
  }

  void read_tools() {
    request_.chat.tools = read_function_tools(body_.array_or_empty("tools"), unknown_, request_.ignored);
    check_tools_of_choice(body_);
    ToolChoice choice = read_openai_tool_choice(body_.find("tool_choice"), "tool_choice");
    choice.parallel = body_.boolean_or("parallel_tool_calls", true);
    apply_tool_choice(choice, "tool_choice", request_.chat);
  }

  UnknownFields unknown_;
  ApiRequest request_;
  FieldReader body_;
  ChatAnswerForm form_;
};

// clang-format off
constexpr ApiOperation kOperations[] = {
    {"POST", "/v1/chat/completions", "An answer to a conversation", &kRequest, &kChatCompletion, kEventStreamType},
};
// clang-format on

}  // namespace

ParsedRequest parse_chat_completions(const json::object& body, const ApiOptions& options) {
  return Parser(body, options).parse();
}

const ApiDescription& chat_completions_description() {
  static const std::vector<const ApiObject*> objects = [] {
    const auto thinking = openai_thinking_objects();
    std::vector<const ApiObject*> all = {&kChatMessage, &kChatTool,   &kStreamOptions,     &kFormat,
                                         &kSchema,      &kChatChoice, &kChatAnswerMessage, &kOpenAiUsage};
    all.insert(all.end(), thinking.begin(), thinking.end());
    return all;
  }();
  static const ApiDescription description{"OpenAI: chat completions", kOperations, objects};
  return description;
}

}  // namespace glimt
