#include "chat/loose_call.h"

#include "base/text.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace glimt {
namespace {

std::optional<json::object> object_of(std::string_view text) {
  try {
    json::value value = parse_json(text, "call");
    if (!value.is_object()) return std::nullopt;
    return std::move(value.get_object());
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The arguments in `fields`, under either name; an object, or a string that holds one.
std::optional<json::object> arguments_in(const json::object& fields) {
  const json::value* value = fields.if_contains("arguments");
  if (value == nullptr) value = fields.if_contains("parameters");
  if (value == nullptr) return json::object{};
  if (const json::object* object = value->if_object()) return *object;
  if (const json::string* text = value->if_string()) return object_of(std::string_view(text->data(), text->size()));
  return std::nullopt;
}

std::optional<ToolCall> json_call(const json::object& outer) {
  const json::value* function = outer.if_contains("function");
  const json::object& fields = function != nullptr && function->is_object() ? function->get_object() : outer;
  const json::value* name = fields.if_contains("name");
  if (name == nullptr || !name->is_string()) return std::nullopt;
  std::optional<json::object> arguments = arguments_in(fields);
  if (!arguments) return std::nullopt;
  return ToolCall{std::string(name->get_string()), std::move(*arguments)};
}

// Reads a=1, b="two" c='three', the arguments of a known tool.
class Assignments {
 public:
  Assignments(std::string_view text, std::string_view tool, const ToolSchemas& tools)
      : rest_(text), tool_(tool), tools_(tools), declared_(tools.find(tool)->parameters) {}

  std::optional<json::object> read() {
    json::object arguments;
    for (skip(kWhiteSpace); !rest_.empty(); skip(" \t\n\v\f\r,")) {
      const std::size_t equals = rest_.find('=');
      if (equals == std::string_view::npos) return std::nullopt;
      const std::string key(trimmed(rest_.substr(0, equals)));
      rest_.remove_prefix(equals + 1);
      skip(kWhiteSpace);
      std::optional<json::value> value = next_value(key);
      const bool parted =
          rest_.empty() || rest_.front() == ',' || kWhiteSpace.find(rest_.front()) != std::string_view::npos;
      if (!value || !parted || arguments.contains(key) || !declared_.contains(key)) return std::nullopt;
      arguments[key] = std::move(*value);
    }
    return arguments;
  }

 private:
  void skip(std::string_view characters) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
  }

  std::optional<json::value> next_value(std::string_view key) {
    if (rest_.empty()) return std::nullopt;
    if (rest_.front() == '"' || rest_.front() == '\'') return quoted();
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t\n\v\f\r,=()\"'"));
    if (word.empty()) return std::nullopt;
    rest_.remove_prefix(word.size());
    return tools_.argument(tool_, key, word);
  }

  // A string of JSON, or one between single quotes without any escapes.
  std::optional<json::value> quoted() {
    const char quote = rest_.front();
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' && quote == '"' ? 2 : 1;
    if (end >= rest_.size()) return std::nullopt;
    const std::string_view text = rest_.substr(0, end + 1);
    rest_.remove_prefix(end + 1);
    if (quote == '\'') return json::value(json::string(text.substr(1, text.size() - 2)));
    const auto wrapped = object_of("{\"v\": " + std::string(text) + "}");
    return wrapped ? std::optional(wrapped->at("v")) : std::nullopt;
  }

  std::string_view rest_;
  std::string_view tool_;
  const ToolSchemas& tools_;
  const std::map<std::string, JsonTypes, std::less<>>& declared_;
};

}  // namespace

std::optional<ToolCall> read_loose_call(std::string_view text, const ToolSchemas& tools) {
  text = trimmed(text);
  if (text.starts_with('{')) {
    const std::optional<json::object> object = object_of(text);
    std::optional<ToolCall> call = object ? json_call(*object) : std::nullopt;
    return call && tools.find(call->name) != nullptr ? call : std::nullopt;
  }
  const std::size_t end = text.find_first_of(" \t\n\v\f\r({");
  const std::string_view name = text.substr(0, end);
  const ToolSchema* schema = tools.find(name);
  if (schema == nullptr || end == std::string_view::npos) return std::nullopt;
  std::string_view rest = trimmed(text.substr(end));
  if (rest.starts_with('(') && rest.ends_with(')')) rest = trimmed(rest.substr(1, rest.size() - 2));
  std::optional<json::object> arguments =
      rest.starts_with('{') ? object_of(rest) : Assignments(rest, name, tools).read();
  if (!arguments || (!rest.starts_with('{') && !schema->admits(*arguments))) return std::nullopt;
  return ToolCall{std::string(name), std::move(*arguments)};
}

}  // namespace glimt
