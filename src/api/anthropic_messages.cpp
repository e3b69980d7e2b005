#include "api/anthropic_messages.h"

#include "api/anthropic_fields.h"
#include "api/anthropic_history.h"
#include "api/anthropic_writer.h"
#include "api/effort.h"
#include "api/limits.h"
#include "api/sampling_fields.h"
#include "api/stop_strings.h"
#include "api/tool_choice.h"
#include "chat/messages.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

namespace glimt {
namespace {

constexpr std::int64_t kAnyCount = std::numeric_limits<std::int64_t>::max();

constexpr SamplingName kSampling[] = {
    {.name = "temperature", .field = "temperature", .max = 1},
    {.name = "top_p", .field = "top_p"},
    {.name = "top_k", .field = "top_k"},
};

class MessagesReader {
 public:
  MessagesReader(const json::object& body, bool only_counts, const ApiOptions& options, ApiRequest& request)
      : only_counts_(only_counts),
        unknown_(options.unknown),
        request_(request),
        body_(body, only_counts ? kAnthropicCountRequest : kAnthropicRequest, "", unknown_, request.ignored) {}

  void read();

 private:
  FieldReader fields(const json::object& object, const ApiObject& table, std::string where) {
    return {object, table, std::move(where), unknown_, request_.ignored};
  }

  void read_history();
  void read_context_edit(const json::value& edit, const std::string& where);
  void read_tools();
  void read_tool_choice();
  void read_thinking(const FieldReader& output_config);
  void read_format(const FieldReader& output_config);
  void check_continued_answer() const;

  bool only_counts_;
  UnknownFields unknown_;
  ApiRequest& request_;
  std::vector<std::string> found_tools_;
  FieldReader body_;
};

void MessagesReader::read() {
  request_.unknown = unknown_;
  request_.model = body_.string_or("model", "");
  request_.stream = body_.boolean_or("stream", false);
  if (!only_counts_) {
    request_.chat.max_tokens = static_cast<std::size_t>(body_.integer_or("max_tokens", 1, 1, kAnyCount));
    if (body_.array_or_empty("messages").empty()) refuse("messages", "at least one message is wanted");
  }
  body_.one_of("speed", "standard", {"standard"});
  read_sampling(body_, kSampling, request_.sampling);
  request_.chat.stop = read_stop_strings(body_, "stop_sequences");
  request_.chat.stream_calls = request_.stream;
  request_.chat.template_options["clear_thinking"] = false;
  const FieldReader output_config =
      fields(body_.object_or_empty("output_config"), kAnthropicOutputConfig, "output_config");
  read_history();
  read_tools();
  read_thinking(output_config);
  read_format(output_config);
  read_tool_choice();
  if (request_.continues_answer) check_continued_answer();
}

void MessagesReader::read_history() {
  const json::array& messages = body_.array_or_empty("messages");
  check_count("messages", messages.size(), kMaxMessages);
  AnthropicHistory history = read_anthropic_history(body_.find("system"), messages, unknown_, request_.ignored);
  request_.chat.messages = std::move(history.messages);
  request_.continues_answer = history.continues_answer;
  found_tools_ = std::move(history.found_tools);
  const FieldReader management =
      fields(body_.object_or_empty("context_management"), kAnthropicContextManagement, "context_management");
  const json::array& edits = management.array_or_empty("edits");
  for (std::size_t i = 0; i < edits.size(); ++i) {
    read_context_edit(edits[i], fmt::format("context_management.edits[{}]", i));
  }
}

void MessagesReader::read_context_edit(const json::value& edit, const std::string& where) {
  constexpr std::string_view kClearThinking = "clear_thinking_20251015";
  if (!edit.is_object()) refuse(where, fmt::format("must be an object, got {}", shown_json(edit)));
  const json::value* type = edit.get_object().if_contains("type");
  if (type == nullptr || *type != json::value(kClearThinking)) {
    refuse(where + ".type", fmt::format("must be '{}', got {}: other edits are not supported", kClearThinking,
                                        type == nullptr ? "nothing" : shown_json(*type)));
  }
  const FieldReader fields_of_edit = fields(edit.get_object(), kAnthropicContextEdit, where);
  std::int64_t turns = 1;
  if (const json::value* keep = fields_of_edit.find("keep")) {
    if (keep->is_object()) {
      const FieldReader counted = fields(keep->get_object(), kAnthropicThinkingTurns, where + ".keep");
      if (counted.one_of("type", "", {"thinking_turns", "all"}) == "all") return;
      turns = counted.integer_or("value", 1, 1, kAnyCount);
    } else if (fields_of_edit.one_of("keep", "", {"all"}) == "all") {
      return;
    }
  }
  keep_thinking_turns(request_.chat.messages, static_cast<std::size_t>(turns));
}

void MessagesReader::read_tools() {
  const json::array& tools = body_.array_or_empty("tools");
  check_count("tools", tools.size(), kMaxTools);
  json::array known;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    if (!tools[i].is_object()) refuse(where, fmt::format("must be an object, got {}", shown_json(tools[i])));
    const json::value* type = tools[i].get_object().if_contains("type");
    if (type != nullptr && !type->is_null() && *type != json::value("custom")) {
      refuse(where + ".type",
             fmt::format("a tool of type {} is not supported: declare one with an 'input_schema', which "
                         "the client runs",
                         shown_json(*type)));
    }
    const FieldReader tool = fields(tools[i].get_object(), kAnthropicTool, where);
    for (const json::value& caller : tool.array_or_empty("allowed_callers")) {
      if (caller != json::value("direct")) tool.wrong("allowed_callers", "[\"direct\"]");
    }
    const bool found =
        std::find(found_tools_.begin(), found_tools_.end(), tool.string_or("name", "")) != found_tools_.end();
    if (found || !tool.boolean_or("defer_loading", false)) known.push_back(tool.known());
  }
  request_.chat.tools = normalized_tools(known);
}

void MessagesReader::read_tool_choice() {
  check_tools_of_choice(body_);
  ToolChoice choice;
  if (body_.has("tool_choice")) {
    const FieldReader fields_of_choice =
        fields(body_.object_or_empty("tool_choice"), kAnthropicToolChoice, "tool_choice");
    const std::string type = fields_of_choice.one_of("type", "auto", {"auto", "any", "tool", "none"});
    if (type == "none") choice.mode = ToolChoice::Mode::none;
    if (type == "any" || type == "tool") choice.mode = ToolChoice::Mode::required;
    if (type == "tool") {
      if (!fields_of_choice.has("name")) refuse("tool_choice.name", "is required where the type is 'tool'");
      choice.allowed = {fields_of_choice.string_or("name", "")};
    }
    choice.parallel = !fields_of_choice.boolean_or("disable_parallel_tool_use", false);
  }
  apply_tool_choice(choice, "tool_choice", request_.chat);
}

void MessagesReader::read_thinking(const FieldReader& output_config) {
  ChatRequest& chat = request_.chat;
  chat.thinking = false;
  ChatRequest with_effort;
  if (output_config.has("effort")) {
    apply_effort(output_config.string_or("effort", ""), output_config.path("effort"), with_effort);
  }
  if (!body_.has("thinking")) return;
  const FieldReader thinking = fields(body_.object_or_empty("thinking"), kAnthropicThinking, "thinking");
  thinking.one_of("display", "summarized", {"summarized", "omitted"});
  const std::string type = thinking.one_of("type", "", {"enabled", "adaptive", "between_tools", "disabled"});
  if (type == "disabled") return;
  chat.thinking = with_effort.thinking || thinking.has("budget_tokens");
  chat.thinking_budget = with_effort.thinking_budget;
  if (thinking.has("budget_tokens")) {
    chat.thinking_budget = static_cast<std::size_t>(thinking.integer_or("budget_tokens", 1, 1, kAnyCount));
  }
  if (chat.max_tokens > 1) chat.thinking_budget = std::min(chat.thinking_budget, chat.max_tokens - 1);
}

void MessagesReader::read_format(const FieldReader& output_config) {
  if (!output_config.has("format")) return;
  const FieldReader format =
      fields(output_config.object_or_empty("format"), kAnthropicOutputFormat, "output_config.format");
  format.one_of("type", "", {"json_schema"});
  request_.chat.constraint = JsonSchemaOutput{format.object_or_empty("schema")};
}

// What the model goes on with is the visible text, from where it stands.
void MessagesReader::check_continued_answer() const {
  const std::string where = fmt::format("messages.{}", body_.array_or_empty("messages").size() - 1);
  if (request_.chat.thinking)
    refuse(where, "an answer that is begun cannot be thought about: set 'thinking' to disabled");
  if (!std::holds_alternative<std::monostate>(request_.chat.constraint)) {
    refuse(where, "an answer that is begun cannot also be bound to calls or to a format");
  }
}

}  // namespace

ParsedRequest parse_messages(const json::object& body, const ApiOptions& options) {
  ParsedRequest parsed;
  ApiRequest& request = parsed.request;
  MessagesReader(body, false, options, request).read();
  parsed.make_writer = [stream = request.stream](const AnswerHead& head) {
    return stream ? messages_stream_writer(head) : messages_writer(head);
  };
  return parsed;
}

ParsedRequest parse_count_tokens(const json::object& body, const ApiOptions& options) {
  ParsedRequest parsed;
  ApiRequest& request = parsed.request;
  MessagesReader(body, true, options, request).read();
  // A template wants a message; what clients ask for then is the size of their tools.
  if (request.chat.messages.empty()) request.chat.messages.push_back(json::object{{"role", "user"}, {"content", ""}});
  return parsed;
}

json::object count_tokens_answer(std::size_t prompt_tokens) { return {{"input_tokens", prompt_tokens}}; }

}  // namespace glimt
