#include "api/history.h"

#include "api/limits.h"
#include "base/text.h"
#include "chat/messages.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

using Use = ApiField::Use;

// clang-format off
constexpr ApiField kMessageFields[] = {
    {"role", Use::honoured, R"({"type": "string", "enum": ["system", "developer", "user", "assistant", "tool", "function"]})", "who says it; developer is system, function is tool", true},
    {"content", Use::honoured, R"({"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}]})", "text, or a list of text parts"},
    {"reasoning_content", Use::honoured, R"({"type": "string"})", "an assistant's thinking, as it came"},
    {"reasoning", Use::honoured, R"({"type": "string"})", "the same, of other servers"},
    {"thinking", Use::honoured, R"({"type": "string"})", "the same, of other servers"},
    {"tool_calls", Use::honoured, R"({"type": "array", "items": {"type": "object"}})", "an assistant's calls, as they came"},
    {"tool_call_id", Use::honoured, R"({"type": "string"})", "of a result: the call that it answers"},
    {"tool_name", Use::honoured, R"({"type": "string"})", "of a result: the tool that was called"},
    {"name", Use::honoured, R"({"type": "string"})", "of a result: the tool that was called"},
    {"refusal", Use::honoured, R"({"type": "string"})", "of an assistant without content: is the content"},
    {"annotations", Use::carried, "{}", "of an answer"},
    {"audio", Use::carried, "{}", "of an answer"},
    {"reasoning_details", Use::carried, "{}", "of an answer"},
    {"index", Use::carried, "{}", "of an answer"},
    {"finish_reason", Use::carried, "{}", "of an answer"},
    {"logprobs", Use::carried, "{}", "of an answer"},
    {"id", Use::carried, "{}", "of an answer"},
    {"type", Use::carried, "{}", "of an answer"},
    {"status", Use::carried, "{}", "of an answer"},
    {"cache_control", Use::carried, "{}", "every prefix is cached"},
};

constexpr ApiField kPartFields[] = {
    {"type", Use::honoured, R"({"type": "string"})", "text"},
    {"text", Use::honoured, R"({"type": "string"})", "the text"},
    {"refusal", Use::honoured, R"({"type": "string"})", "the text of a refusal"},
    {"cache_control", Use::carried, "{}", "every prefix is cached"},
    {"annotations", Use::carried, "{}", "of an answer"},
    {"citations", Use::carried, "{}", "of an answer"},
    {"logprobs", Use::carried, "{}", "of an answer"},
};

constexpr ApiField kCallFields[] = {
    {"id", Use::honoured, R"({"type": "string"})", "what its result refers to"},
    {"type", Use::honoured, R"({"type": "string"})", "function"},
    {"function", Use::honoured, R"({"type": "object"})", "name and arguments"},
    {"name", Use::honoured, "{}", "of a call without function around"},
    {"arguments", Use::honoured, "{}", "of a call without function around"},
    {"index", Use::carried, "{}", "of an answer"},
    {"cache_control", Use::carried, "{}", "every prefix is cached"},
    {"extra_content", Use::carried, "{}", "of other servers"},
    {"status", Use::carried, "{}", "of an answer"},
};

constexpr ApiField kToolFields[] = {
    {"type", Use::honoured, R"({"type": "string", "const": "function"})", "the only kind of tool"},
    {"function", Use::honoured, R"({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "description": {"type": "string"}, "parameters": {"type": "object"}, "strict": {"type": "boolean"}}})", "name, description, parameters (a JSON schema), strict"},
    {"cache_control", Use::carried, "{}", "every prefix is cached"},
};
// clang-format on

constexpr ApiObject kPart{"ChatContentPart", kPartFields};
constexpr ApiObject kCall{"ChatToolCall", kCallFields};

bool says_nothing(const json::value& value) {
  return value.is_null() || (value.is_string() && value.get_string().empty()) ||
         (value.is_array() && value.get_array().empty()) || (value.is_object() && value.get_object().empty());
}

// Which fields to let through, and where to say what was passed over.
struct Filter {
  UnknownFields unknown;
  std::vector<std::string>& ignored;

  json::object operator()(const json::object& object, const ApiObject& table, const std::string& where) const {
    json::object said;
    for (const auto& [key, value] : object) {
      if (!says_nothing(value)) said[key] = value;
    }
    return FieldReader(said, table, where, unknown, ignored).known();
  }
};

// Only a part of text: what is wrong with another kind is that it is one.
bool is_text_part(const json::value& part) {
  const json::object* object = part.if_object();
  const json::value* type = object == nullptr ? nullptr : object->if_contains("type");
  if (type == nullptr) return object != nullptr && object->contains("text");
  return *type == "text" || *type == "input_text" || *type == "output_text" || *type == "refusal";
}

json::value without_unknown(const json::value& part, const std::string& where, const Filter& filter) {
  if (!is_text_part(part)) return part;
  json::object known = filter(part.get_object(), kPart, where);
  const json::value* text = part.get_object().if_contains("text");
  if (text != nullptr) known["text"] = *text;  // also an empty one
  return known;
}

std::string path_of(const std::string& where, std::string_view list, std::size_t i) {
  return fmt::format("{}.{}[{}]", where, list, i);
}

void split_thinking(json::object& message) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  const json::value* content = message.if_contains("content");
  if (content == nullptr || !is_text(*content)) return;
  const std::string text(content->get_string());
  const std::size_t open = std::min(text.find_first_not_of(kWhiteSpace), text.size());
  const std::size_t close = text.find(kClose);
  if (!std::string_view(text).substr(open).starts_with(kOpen) || close == text.npos) return;
  const std::size_t begin = open + kOpen.size();
  const std::size_t rest = std::min(text.find_first_not_of(kWhiteSpace, close + kClose.size()), text.size());
  const std::string_view thinking = trimmed(std::string_view(text).substr(begin, close - begin));
  if (!thinking.empty()) message["reasoning_content"] = thinking;
  message["content"] = text.substr(rest);
}

json::object known_message(const json::object& given, const std::string& where, const Filter& filter) {
  json::object message = filter(given, kChatMessage, where);
  if (json::value* content = message.if_contains("content"); content != nullptr && content->is_array()) {
    json::array& parts = content->get_array();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i] = without_unknown(parts[i], path_of(where, "content", i), filter);
    }
  }
  if (json::value* calls = message.if_contains("tool_calls")) {
    json::array& list = calls->as_array();
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].is_object()) list[i] = filter(list[i].get_object(), kCall, path_of(where, "tool_calls", i));
    }
  }
  const bool is_assistant = message.at("role") == "assistant";
  if (is_assistant) message.erase("name");
  if (is_assistant && !message.contains("reasoning_content") && !message.contains("thinking") &&
      !message.contains("reasoning")) {
    split_thinking(message);
  }
  return message;
}

// Not another kind of tool, whose fields are not what is wrong with it.
bool is_function_tool(const json::value& tool) {
  const json::object* object = tool.if_object();
  if (object == nullptr || !object->contains("function")) return false;
  const json::value* type = object->if_contains("type");
  return type == nullptr || type->is_null() || *type == "function";
}

}  // namespace

constexpr ApiObject kChatMessage{"ChatMessage", kMessageFields};
constexpr ApiObject kChatTool{"ChatTool", kToolFields};

json::array read_history(const json::array& messages, UnknownFields unknown, std::vector<std::string>& ignored) {
  check_count("messages", messages.size(), kMaxMessages);
  const Filter filter{unknown, ignored};
  json::array known;
  known.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    if (!messages[i].is_object()) refuse(where, fmt::format("must be an object, got {}", shown_json(messages[i])));
    known.push_back(known_message(messages[i].get_object(), where, filter));
  }
  return normalized_messages(known);
}

json::array read_function_tools(const json::array& tools, UnknownFields unknown, std::vector<std::string>& ignored) {
  check_count("tools", tools.size(), kMaxTools);
  const Filter filter{unknown, ignored};
  json::array known;
  known.reserve(tools.size());
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    if (is_function_tool(tools[i])) {
      known.push_back(filter(tools[i].get_object(), kChatTool, where));
    } else {
      known.push_back(tools[i]);
    }
  }
  return normalized_tools(known);
}

}  // namespace glimt
