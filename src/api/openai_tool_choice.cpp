#include "api/openai_tool_choice.h"

#include "api/fields.h"
#include "api/limits.h"

#include <optional>

namespace glimt {
namespace {

using Mode = ToolChoice::Mode;

std::optional<Mode> mode_of(const json::value& word) {
  if (word == "auto") return Mode::automatic;
  if (word == "none") return Mode::none;
  if (word == "required" || word == "any") return Mode::required;
  return std::nullopt;
}

const json::value& field(const json::object& object, std::string_view name, const std::string& path) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) refuse(fmt::format("{}.{}", path, name), "is required");
  return *value;
}

// The object of this name inside, or the object itself.
const json::object& inner(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : object;
}

std::string name_in(const json::object& object, const std::string& path) {
  const json::value& name = field(inner(object, "function"), "name", path);
  if (!is_text(name)) refuse(path + ".name", fmt::format("must be a string, got {}", shown_json(name)));
  return std::string(name.get_string());
}

ToolChoice subset(const json::object& allowed, const std::string& path) {
  const json::value& mode = field(allowed, "mode", path);
  const std::optional<Mode> known = mode_of(mode);
  if (!known || known == Mode::none) {
    refuse(path + ".mode", fmt::format("must be 'auto' or 'required', got {}", shown_json(mode)));
  }
  const json::value& tools = field(allowed, "tools", path);
  if (!tools.is_array() || tools.get_array().empty()) {
    refuse(path + ".tools", fmt::format("must be a list of tools, got {}", shown_json(tools)));
  }
  check_count(path + ".tools", tools.get_array().size(), kMaxTools);
  ToolChoice choice{.mode = *known};
  for (std::size_t i = 0; i < tools.get_array().size(); ++i) {
    const json::value& tool = tools.get_array()[i];
    const std::string place = fmt::format("{}.tools[{}]", path, i);
    if (!tool.is_object()) refuse(place, fmt::format("must be an object, got {}", shown_json(tool)));
    choice.allowed.push_back(name_in(tool.get_object(), place));
  }
  return choice;
}

}  // namespace

ToolChoice read_openai_tool_choice(const json::value* choice, const std::string& path) {
  if (choice == nullptr || choice->is_null()) return {};
  if (const std::optional<Mode> mode = mode_of(*choice)) return {.mode = *mode};
  if (!choice->is_object()) {
    refuse(path, fmt::format("must be 'auto', 'none', 'required' or an object, got {}", shown_json(*choice)));
  }
  const json::object& object = choice->get_object();
  const json::value& type = field(object, "type", path);
  if (type == "function") return {.mode = Mode::required, .allowed = {name_in(object, path)}};
  if (type == "allowed_tools") return subset(inner(object, "allowed_tools"), path);
  if (const std::optional<Mode> mode = mode_of(type)) return {.mode = *mode};
  refuse(path + ".type", fmt::format("must be 'function' or 'allowed_tools', got {}", shown_json(type)));
}

}  // namespace glimt
