#include "api/api_page.h"

#include "api/openapi.h"

#include <fmt/ranges.h>

#include <set>
#include <string_view>
#include <vector>

namespace glimt {
namespace {

using Use = ApiField::Use;

// A cell of a table holds no bar and no line's end.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string code(std::string_view text) { return fmt::format("`{}`", text); }

// ---- a schema in a few words ----

std::string in_words(const json::object& schema);

std::string number_text(const json::value& value) {
  return value.is_double() ? fmt::format("{}", value.get_double()) : dump_json(value);
}

// ", 1 to 16", ", at least 1", ", above 0"
std::string bounds(const json::object& schema) {
  const json::value* min = schema.if_contains("minimum");
  const json::value* above = schema.if_contains("exclusiveMinimum");
  const json::value* max = schema.if_contains("maximum");
  std::string text;
  if (min != nullptr && max != nullptr) return fmt::format(", {} to {}", number_text(*min), number_text(*max));
  if (min != nullptr) text += fmt::format(", at least {}", number_text(*min));
  if (above != nullptr) text += fmt::format(", above {}", number_text(*above));
  if (max != nullptr) text += fmt::format(", at most {}", number_text(*max));
  return text;
}

std::string referred(const json::object& schema) {
  const json::value* reference = schema.if_contains("$ref");
  if (reference == nullptr) return {};
  const std::string_view path(reference->as_string());
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string words_of(const json::array& values) {
  std::vector<std::string> words;
  for (const json::value& value : values) {
    words.push_back(code(is_text(value) ? std::string(value.get_string()) : dump_json(value)));
  }
  return fmt::format("{}", fmt::join(words, " or "));
}

std::string type_text(const json::value& type, const json::object& schema) {
  std::string text(type.as_string());
  const json::value* items = schema.if_contains("items");
  if (text != "array" || items == nullptr) return text;
  const std::string of = in_words(items->as_object());
  return of == "any" ? text : fmt::format("array of {}", of);
}

std::string in_words(const json::object& schema) {
  if (std::string name = referred(schema); !name.empty()) return name;
  if (const json::value* values = schema.if_contains("enum")) return words_of(values->as_array());
  if (const json::value* value = schema.if_contains("const")) return words_of({*value});
  std::vector<std::string> types;
  if (const json::value* either = schema.if_contains("anyOf")) {
    for (const json::value& one : either->as_array()) types.push_back(in_words(one.as_object()));
  } else if (const json::value* type = schema.if_contains("type")) {
    if (!type->is_array()) return type_text(*type, schema) + bounds(schema);
    for (const json::value& one : type->get_array()) types.push_back(type_text(one, schema));
  }
  return types.empty() ? "any" : fmt::format("{}", fmt::join(types, " or ")) + bounds(schema);
}

// ---- tables ----

// One row: "`a`: why; `b`: why".
std::string list_of(const ApiObject& object, Use use, std::string_view title) {
  std::string text;
  for (const ApiField& field : object.fields) {
    if (field.use != use) continue;
    text += fmt::format("{}{}", text.empty() ? "" : "; ", code(field.name));
    if (!field.about.empty()) text += fmt::format(": {}", field.about);
  }
  return text.empty() ? text : fmt::format("| {} | | {} |\n", title, cell(text));
}

std::string object_table(const ApiObject& object) {
  std::string text = fmt::format("\n#### {}\n\n| field | type | |\n|---|---|---|\n", object.name);
  for (const ApiField& field : object.fields) {
    if (field.use != Use::honoured) continue;
    const std::string type = in_words(parse_json(field.schema, field.name).as_object());
    text += fmt::format("| {}{} | {} | {} |\n", code(field.name), field.required ? " (required)" : "", cell(type),
                        cell(field.about));
  }
  text += list_of(object, Use::carried, "*without effect*");
  return text + list_of(object, Use::refused, "*refused*");
}

std::string name_or_dash(const ApiObject* object) { return object == nullptr ? "" : std::string(object->name); }

std::string operations_table(const ApiDescription& part) {
  std::string text = "\n| route | | body | answer |\n|---|---|---|---|\n";
  for (const ApiOperation& operation : part.operations) {
    std::string answer = name_or_dash(operation.answer);
    if (!operation.streamed_type.empty()) {
      answer += fmt::format("{}{} if streamed", answer.empty() ? "" : ", ", code(operation.streamed_type));
    }
    std::string body = name_or_dash(operation.request);
    if (operation.query != nullptr) body += fmt::format("{}?…: {}", body.empty() ? "" : "; ", operation.query->name);
    text += fmt::format("| `{} {}` | {} | {} | {} |\n", operation.method, operation.path, cell(operation.summary), body,
                        answer);
  }
  return text;
}

std::string part_text(const ApiDescription& part) {
  std::string text = fmt::format("\n### {}\n{}", part.title, operations_table(part));
  std::set<const ApiObject*> shown{nullptr};
  const auto show = [&](const ApiObject* object) {
    if (shown.insert(object).second) text += object_table(*object);
  };
  for (const ApiOperation& operation : part.operations) {
    show(operation.query);
    show(operation.request);
  }
  for (const ApiObject* object : part.objects) show(object);
  for (const ApiOperation& operation : part.operations) show(operation.answer);
  return text;
}

}  // namespace

std::string api_page_tables() {
  std::string text;
  for (const ApiDescription* part : api_descriptions()) text += part_text(*part);
  return text;
}

}  // namespace glimt
