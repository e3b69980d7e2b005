#include "chat/messages.h"

#include "grammar/tool_declaration.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace glimt {
namespace {

using Names = std::initializer_list<std::string_view>;

bool is_one_of(std::string_view name, Names names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Null, and what clients' data classes put where nothing is.
bool says_nothing(const json::value& value) {
  return value.is_null() || (value.is_string() && value.get_string().empty()) ||
         (value.is_array() && value.get_array().empty()) || (value.is_object() && value.get_object().empty());
}

std::string place(const std::string& where, std::string_view list, std::size_t i) {
  return fmt::format("{}{}{}[{}]", where, where.empty() ? "" : ": ", list, i);
}

const json::object& object_at(const json::value& value, const std::string& where, ErrorKind kind) {
  if (!value.is_object()) fail(kind, where, "must be an object, got {}", dump_json(value));
  return value.get_object();
}

// ---- contents ----

// "" and the text of a part; a part of another kind is an error.
std::string text_of_part(const json::value& part, const std::string& where, ErrorKind kind) {
  if (is_text(part)) return std::string(part.get_string());
  const JsonFields fields(object_at(part, where, kind), where, kind);
  const std::string type = fields.string_or("type", "text");
  const bool is_refusal = type == "refusal";
  if (!is_refusal && !is_one_of(type, {"text", "input_text", "output_text"})) {
    fail(kind, where, "a part of type '{}' is not understood: this model reads text only", type);
  }
  std::string text = fields.string(is_refusal ? "refusal" : "text");
  fields.ignore({"cache_control", "annotations", "citations", "logprobs"});
  fields.finish();
  return text;
}

// The text of a content in any of its forms.
std::string text_of(const json::value& content, const std::string& where, ErrorKind kind) {
  if (content.is_null()) return {};
  if (is_text(content)) return std::string(content.get_string());
  const json::array* parts = content.if_array();
  if (parts == nullptr) fail(kind, where, "must be text, a list of text parts or null, got {}", dump_json(content));
  std::string text;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    text += text_of_part((*parts)[i], fmt::format("{}[{}]", where, i), kind);
  }
  return text;
}

// ---- tool calls ----

json::object arguments_of(const JsonFields& function) {
  const json::value* given = function.find("arguments");
  if (given == nullptr) return {};
  const std::string where = function.where() + ".arguments";
  if (given->is_object()) return given->get_object();
  if (!is_text(*given))
    fail(function.kind(), where, "must be an object or a string of JSON, got {}", dump_json(*given));
  const std::string_view text(given->get_string());
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  json::value parsed;
  try {
    parsed = parse_json(text, where);
  } catch (const Error& error) {
    throw Error(function.kind(), error.what());
  }
  return object_at(parsed, where, function.kind());
}

json::object normalized_call(const json::value& call, const std::string& where, ErrorKind kind) {
  const JsonFields outer(object_at(call, where, kind), where, kind);
  const std::string type = outer.string_or("type", "function");
  if (type != "function") fail(kind, where, "a call of type '{}' is not understood, only of 'function'", type);
  const bool nested = outer.has("function");
  const JsonFields inner(nested ? outer.object("function") : outer.all(), nested ? where + ".function" : where, kind);
  json::object out;
  if (outer.has("id")) out["id"] = outer.string("id");
  out["type"] = "function";
  out["function"] = {{"name", inner.string("name")}, {"arguments", arguments_of(inner)}};
  // The fields of a call that stands by itself are all in `inner`.
  for (const JsonFields* fields : {nested ? &outer : &inner, &inner}) {
    fields->ignore({"id", "type", "index", "cache_control", "extra_content", "status"});
    fields->finish(says_nothing);
  }
  return out;
}

json::array normalized_calls(const json::array& calls, const std::string& where, ErrorKind kind) {
  json::array out;
  for (std::size_t i = 0; i < calls.size(); ++i)
    out.push_back(normalized_call(calls[i], place(where, "tool_calls", i), kind));
  return out;
}

// ---- messages ----

std::string role_of(const JsonFields& fields) {
  const std::string role = fields.string("role");
  if (role == "developer") return "system";
  if (role == "function") return "tool";
  if (!is_one_of(role, {"system", "user", "assistant", "tool"})) {
    fail(fields.kind(), fields.where(),
         "role '{}' is not known; there are system, developer, user, assistant, tool, function", role);
  }
  return role;
}

std::string content_of(const JsonFields& fields, const std::string& role) {
  const json::value* content = fields.find("content");
  if (content != nullptr) return text_of(*content, fields.where() + ".content", fields.kind());
  return role == "assistant" ? fields.string_or("refusal", "") : std::string();
}

void take_reasoning(const JsonFields& fields, json::object& out) {
  for (const std::string_view name : {"reasoning_content", "thinking", "reasoning"}) {
    if (fields.has(name) && !out.contains("reasoning_content")) out["reasoning_content"] = fields.string(name);
  }
}

json::object normalized_message(const json::value& message, const std::string& where, ErrorKind kind) {
  const JsonFields fields(object_at(message, where, kind), where, kind);
  const std::string role = role_of(fields);
  json::object out{{"role", role}, {"content", content_of(fields, role)}};
  if (role == "assistant") {
    take_reasoning(fields, out);
    if (fields.has("tool_calls")) {
      json::array calls = normalized_calls(fields.array("tool_calls"), where, kind);
      if (!calls.empty()) out["tool_calls"] = std::move(calls);
    }
  }
  if (role == "tool") {
    if (fields.has("tool_call_id")) out["tool_call_id"] = fields.string("tool_call_id");
    if (fields.has("tool_name")) out["name"] = fields.string("tool_name");
  }
  if (fields.has("name")) out["name"] = fields.string("name");
  // What clients send back of an answer, or add to a message, that is not part of what was said.
  fields.ignore({"refusal", "annotations", "audio", "reasoning_details", "index", "cache_control", "finish_reason",
                 "logprobs", "id", "type", "status"});
  fields.finish(says_nothing);
  return out;
}

// The places of calls by their ids.
std::map<std::string_view, std::size_t> places_of(const json::array& calls) {
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (const json::value* id = calls[i].get_object().if_contains("id")) places.emplace(id->get_string(), i);
  }
  return places;
}

bool has_role(const json::value& message, std::string_view role) { return message.at("role").get_string() == role; }

// Templates print the results behind the calls one after the other, without their ids.
void sort_results(json::array& messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const json::value* calls = messages[i].get_object().if_contains("tool_calls");
    if (calls == nullptr) continue;
    auto* const begin = messages.begin() + i + 1;
    auto* const end = std::find_if(begin, messages.end(), [](const json::value& m) { return !has_role(m, "tool"); });
    const auto with_id = [](const json::value& m) { return m.get_object().contains("tool_call_id"); };
    if (!std::all_of(begin, end, with_id)) continue;  // without ids they are in order
    const std::map<std::string_view, std::size_t> places = places_of(calls->get_array());
    const auto place = [&](const json::value& result) {  // behind all calls if it answers none
      const auto found = places.find(result.at("tool_call_id").get_string());
      return found == places.end() ? calls->get_array().size() : found->second;
    };
    std::stable_sort(begin, end, [&](const json::value& a, const json::value& b) { return place(a) < place(b); });
  }
}

// ---- tools ----

bool is_schema_name(std::string_view name) { return is_one_of(name, {"parameters", "input_schema", "inputSchema"}); }

// {"name", "description", "parameters"} of a tool that stands by itself.
json::object function_of(const JsonFields& fields, const ToolDeclaration& declared) {
  json::object function{{"name", declared.name}};
  if (!declared.description.empty()) function["description"] = declared.description;
  for (const auto& [key, value] : fields.all()) {
    if (is_schema_name(key) && !value.is_null()) function["parameters"] = value;
  }
  if (fields.has("strict")) function["strict"] = fields.boolean("strict");
  fields.ignore({"name", "description", "parameters", "input_schema", "inputSchema"});
  // What clients add for their own server, and MCP for its clients.
  fields.ignore({"type", "cache_control", "eager_input_streaming", "input_examples", "allowed_callers", "defer_loading",
                 "title", "annotations", "outputSchema", "icons", "_meta", "execution"});
  fields.finish(says_nothing);
  return function;
}

// What is inside of "function", with the schema under OpenAI's name.
json::object with_one_schema_name(const json::object& function) {
  json::object out;
  for (const auto& [key, value] : function) {
    if (!is_schema_name(key))
      out[key] = value;
    else if (!value.is_null())
      out["parameters"] = value;
  }
  return out;
}

json::object normalized_tool(const json::value& tool, const std::string& where, ErrorKind kind) {
  const ToolDeclaration declared = tool_declaration(tool, where);  // says what is wrong with it
  const JsonFields fields(tool.get_object(), where, kind);
  if (!fields.has("function")) return {{"type", "function"}, {"function", function_of(fields, declared)}};
  fields.ignore({"type", "cache_control"});
  fields.finish(says_nothing);
  return {{"type", "function"}, {"function", with_one_schema_name(fields.object("function"))}};
}

}  // namespace

json::array normalized_messages(const json::array& messages, const std::string& where, ErrorKind kind) {
  json::array out;
  out.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    out.push_back(normalized_message(messages[i], place(where, "messages", i), kind));
  }
  sort_results(out);
  return out;
}

json::array normalized_tools(const json::array& tools, const std::string& where, ErrorKind kind) {
  json::array out;
  out.reserve(tools.size());
  for (std::size_t i = 0; i < tools.size(); ++i)
    out.push_back(normalized_tool(tools[i], place(where, "tools", i), kind));
  return out;
}

}  // namespace glimt
