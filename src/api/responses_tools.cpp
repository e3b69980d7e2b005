#include "api/responses_tools.h"

#include "api/limits.h"
#include "api/responses_fields.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace glimt {
namespace {

using Ignored = std::vector<std::string>;

// The service runs these itself. Clients send them along with their own and go on without their answers.
constexpr std::string_view kHostedTools[] = {"web_search", "web_search_preview", "image_generation", "tool_search"};

// "web_search_2025_08_26" is web_search of that day.
bool is_hosted(std::string_view type) {
  return std::any_of(std::begin(kHostedTools), std::end(kHostedTools), [&](std::string_view hosted) {
    return type == hosted || (type.starts_with(hosted) && type.substr(hosted.size()).starts_with("_20"));
  });
}

const json::object& object_at(const json::array& list, std::size_t i, const std::string& path) {
  if (!list[i].is_object()) refuse(path, fmt::format("must be an object, got {}", shown_json(list[i])));
  return list[i].get_object();
}

std::string type_of(const json::object& object, std::string_view absent) {
  const json::value* type = object.if_contains("type");
  return type != nullptr && is_text(*type) ? std::string(type->get_string()) : std::string(absent);
}

json::object function_of(const FieldReader& fields) {
  json::object function{{"name", fields.string_or("name", {})}};
  for (const std::string_view name : {"description", "parameters", "strict"}) {
    if (const json::value* value = fields.find(name)) function[name] = *value;
  }
  return function;
}

// How a custom tool's input must be written, for the model.
std::string format_text(const FieldReader& fields) {
  const json::object& format = fields.object_or_empty("format");
  const JsonFields reader(format, fields.path("format"), ErrorKind::invalid_request);
  const std::string type = reader.string_or("type", "text");
  if (type == "text") return {};
  if (type != "grammar") fields.wrong("format", "of type 'text' or 'grammar'");
  return fmt::format("\n\nThe input is text that this {} grammar describes:\n{}", reader.string("syntax"),
                     reader.string("definition"));
}

json::object custom_function_of(const FieldReader& fields) {
  const json::object input{{"type", "string"}};
  return {{"name", fields.string_or("name", {})},
          {"description", fields.string_or("description", {}) + format_text(fields)},
          {"parameters",
           {{"type", "object"},
            {"properties", {{ResponsesTools::kInput, input}}},
            {"required", {ResponsesTools::kInput}}}}};
}

struct ToolReader {
  UnknownFields unknown;
  Ignored& ignored;

  // Calls `found` with what each tool is: ResponsesTool, its function, its path.
  template <typename Found>
  void read(const json::array& tools, const std::string& list_path, const std::string& name_space, const Found& found) {
    for (std::size_t i = 0; i < tools.size(); ++i) {
      const std::string path = fmt::format("{}[{}]", list_path, i);
      const json::object& tool = object_at(tools, i, path);
      const std::string type = type_of(tool, "function");
      if (type == "function") {
        const FieldReader fields(tool, kResponsesFunction, path, unknown, ignored);
        found(ResponsesTool{fields.string_or("name", {}), name_space, false}, function_of(fields), path);
      } else if (type == "custom") {
        const FieldReader fields(tool, kResponsesCustomTool, path, unknown, ignored);
        found(ResponsesTool{fields.string_or("name", {}), name_space, true}, custom_function_of(fields), path);
      } else if (type == "namespace" && name_space.empty()) {
        const FieldReader fields(tool, kResponsesNamespace, path, unknown, ignored);
        read(fields.array_or_empty("tools"), fields.path("tools"), fields.string_or("name", {}), found);
      } else if (!is_hosted(type)) {
        refuse(path + ".type", fmt::format("tools of type {} are not supported", shown_json(json::value(type))),
               "unsupported_value");
      }
    }
  }
};

}  // namespace

// ---- declarations ----

ResponsesTools::ResponsesTools(const std::vector<List>& lists, UnknownFields unknown, Ignored& ignored) {
  std::vector<Declared> declared;
  std::map<std::pair<std::string, std::string>, std::size_t> places;
  ToolReader reader{unknown, ignored};
  for (const List& list : lists) {
    check_count(list.path, list.tools.size(), kMaxTools);
    reader.read(list.tools, list.path, {}, [&](ResponsesTool tool, json::object function, const std::string& path) {
      const auto [place, is_new] = places.emplace(std::pair(tool.name_space, tool.name), declared.size());
      if (!is_new && list.may_repeat) {
        declared[place->second] = {std::move(tool), std::move(function), path};
      } else {
        declared.push_back({std::move(tool), std::move(function), path});
      }
      check_count(path, declared.size(), kMaxTools);
    });
  }
  name_all(std::move(declared));
}

void ResponsesTools::name_all(std::vector<Declared> declared) {
  std::map<std::string, int> uses;
  for (const Declared& one : declared) ++uses[one.tool.name];
  for (Declared& one : declared) {
    const bool ambiguous = uses[one.tool.name] > 1 && !one.tool.name_space.empty();
    std::string shown = ambiguous ? fmt::format("{}__{}", one.tool.name_space, one.tool.name) : one.tool.name;
    if (by_shown_name_.contains(shown)) {
      refuse(one.path, fmt::format("a tool before it is called {}, too", shown_json(json::value(shown))));
    }
    one.function["name"] = shown;
    functions_.push_back(json::object{{"type", "function"}, {"function", std::move(one.function)}});
    for (const std::string& name_space : {one.tool.name_space, std::string()}) {
      shown_names_.emplace(std::pair(name_space, one.tool.name), shown);
    }
    by_shown_name_.emplace(std::move(shown), std::move(one.tool));
  }
}

std::string ResponsesTools::shown_name(std::string_view name, std::string_view name_space) const {
  const auto found = shown_names_.find(std::pair(std::string(name_space), std::string(name)));
  return found == shown_names_.end() ? std::string(name) : found->second;
}

ResponsesTool ResponsesTools::called(std::string_view shown_name) const {
  const auto found = by_shown_name_.find(shown_name);
  return found == by_shown_name_.end() ? ResponsesTool{.name = std::string(shown_name)} : found->second;
}

// ---- which may be called ----

void ResponsesTools::allow(const json::object& tool, const std::string& path, UnknownFields unknown, Ignored& ignored,
                           ToolChoice& choice) const {
  const FieldReader fields(tool, kResponsesToolChoice, path, unknown, ignored);
  const std::string type = fields.string_or("type", {});
  if (is_hosted(type)) return;
  if (type != "function" && type != "custom") fields.wrong("type", "'function' or 'custom'");
  if (!fields.has("name")) refuse(fields.path("name"), "is required");
  choice.allowed.push_back(shown_name(fields.string_or("name", {}), fields.string_or("namespace", {})));
}

ToolChoice ResponsesTools::choice(const json::value* value, bool parallel, UnknownFields unknown,
                                  Ignored& ignored) const {
  using Mode = ToolChoice::Mode;
  ToolChoice choice{.mode = Mode::automatic, .allowed = {}, .parallel = parallel};
  if (value == nullptr) return choice;
  if (is_text(*value)) {
    const std::string_view word(value->get_string());
    if (word != "auto" && word != "none" && word != "required") {
      refuse("tool_choice", fmt::format("must be 'auto', 'none', 'required' or an object, got {}", shown_json(*value)));
    }
    choice.mode = word == "none" ? Mode::none : word == "required" ? Mode::required : Mode::automatic;
    return choice;
  }
  const json::object& object = value->as_object();
  if (type_of(object, {}) != "allowed_tools") {
    if (is_hosted(type_of(object, {}))) refuse("tool_choice", "no hosted tool can be called here", "unsupported_value");
    allow(object, "tool_choice", unknown, ignored, choice);
    choice.mode = Mode::required;
    return choice;
  }
  const FieldReader fields(object, kResponsesToolChoice, "tool_choice", unknown, ignored);
  const json::array& tools = fields.array_or_empty("tools");
  check_count(fields.path("tools"), tools.size(), kMaxTools);
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string path = fmt::format("tool_choice.tools[{}]", i);
    allow(object_at(tools, i, path), path, unknown, ignored, choice);
  }
  const bool required = fields.one_of("mode", "auto", {"auto", "required"}) == "required";
  choice.mode = choice.allowed.empty() ? Mode::none : required ? Mode::required : Mode::automatic;
  return choice;
}

}  // namespace glimt
