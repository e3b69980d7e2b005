#include "grammar/schema_objects.h"

#include "base/error.h"
#include "grammar/formats.h"
#include "grammar/pattern.h"
#include "grammar/schema_keywords.h"

#include <algorithm>
#include <optional>
#include <set>

namespace glimt {
namespace {

constexpr int kMaxReferences = 32;  // in a row
constexpr std::string_view kKeyCharacter = R"([^\x{0}-\x{1f}\x{7f}])";

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

bool admits_other_keys(const json::object& fields) {
  const json::value* others = fields.if_contains("additionalProperties");
  const json::value* patterns = fields.if_contains("patternProperties");
  return others == nullptr || !says_never(*others) || (patterns != nullptr && !patterns->as_object().empty());
}

// ---- propertyNames ----

const json::value& behind_references(const json::value& schema, const SchemaPlace& place) {
  const json::value* target = &schema;
  for (int i = 0; i < kMaxReferences && target->is_object() && target->get_object().contains("$ref"); ++i) {
    target = &resolve_reference(target->get_object().at("$ref"), place.document.root, place.where, place.path);
  }
  return *target;
}

// The keywords of a schema of names, without the type that every name has.
json::object keywords_of_names(const json::object& schema) {
  json::object keywords;
  for (const auto& [name, value] : schema) {
    if (find_keyword(name) == nullptr || (name == "type" && value == "string")) continue;
    keywords[name] = value;
  }
  return keywords;
}

std::optional<json::array> listed_names(const json::object& keywords) {
  const json::value* one = keywords.if_contains("const");
  const json::value* many = keywords.if_contains("enum");
  if (keywords.size() != 1) return std::nullopt;
  if (one != nullptr) return json::array{*one};
  return many != nullptr && many->is_array() ? std::optional(many->get_array()) : std::nullopt;
}

std::optional<std::size_t> count_of(const json::object& fields, std::string_view name) {
  const json::value* value = fields.if_contains(json::string_view(name.data(), name.size()));
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return static_cast<std::size_t>(std::clamp(value->to_number<double>(), 0.0, 4e9));
}

// A regex of the names, if one keyword alone, or bounds of the length, say what they are.
std::optional<std::string> regex_of_names(const json::object& keywords, const SchemaPlace& place) {
  if (const json::value* pattern = keywords.if_contains("pattern"); pattern != nullptr && keywords.size() == 1) {
    if (!pattern->is_string()) refuse(place, "/propertyNames/pattern: must be a string");
    return whole_text_regex(view(pattern->get_string()),
                            fmt::format("{}: {}/propertyNames/pattern", place.where, place.path));
  }
  if (const json::value* name = keywords.if_contains("format"); name != nullptr && keywords.size() == 1) {
    const StringFormat* format = name->is_string() ? find_format(view(name->get_string())) : nullptr;
    return format != nullptr && format->max_length == 0 ? std::optional(format->regex) : std::nullopt;
  }
  const std::optional<std::size_t> least = count_of(keywords, "minLength");
  const std::optional<std::size_t> most = count_of(keywords, "maxLength");
  const std::size_t lengths = (least ? 1U : 0U) + (most ? 1U : 0U);
  if (lengths == 0 || lengths != keywords.size()) return std::nullopt;
  return fmt::format("{}{{{},{}}}", kKeyCharacter, least.value_or(0), most ? std::to_string(*most) : "");
}

void restrict_names(const json::object& fields, json::object& result, const SchemaPlace& place) {
  const json::value* names = fields.if_contains("propertyNames");
  if (names == nullptr || says_nothing("propertyNames", *names, fields)) return;
  const json::object* schema = behind_references(*names, place).if_object();
  const json::object keywords = schema == nullptr ? json::object{} : keywords_of_names(*schema);
  if (schema != nullptr && keywords.empty()) return;
  const json::value* others = result.if_contains("additionalProperties");
  const json::value value = others == nullptr ? json::value(true) : *others;
  if (const std::optional<json::array> listed = listed_names(keywords)) {
    if (listed->size() > kMaxProperties) refuse(place, "/propertyNames: too many names");
    json::object properties;
    place.budget.spend_bytes(listed->size() * dump_json(value).size(), place.where, place.path);
    for (const json::value& name : *listed) {
      if (name.is_string()) properties[name.get_string()] = value;
    }
    result["properties"] = std::move(properties);
  } else if (const std::optional<std::string> regex = regex_of_names(keywords, place)) {
    place.budget.spend_bytes(regex->size(), place.where, place.path);
    result["patternProperties"] = json::object{{anchored(*regex), value}};
  } else {
    refuse(place,
           fmt::format("keyword 'propertyNames' is not supported here: {}", find_keyword("propertyNames")->instead));
  }
  result["additionalProperties"] = false;
}

// ---- numbers of properties ----

void erase(json::object& fields, const char* name) {
  if (fields.contains(name)) fields.stable_erase(fields.find(name));
}

void check_counts(json::object& result, const SchemaPlace& place) {
  if (!result.contains("minProperties") && !result.contains("maxProperties")) return;
  std::set<std::string_view> required;
  if (const json::value* names = result.if_contains("required")) {
    for (const json::value& name : names->get_array()) required.insert(view(name.get_string()));
  }
  std::size_t optional = 0;
  if (const json::value* properties = result.if_contains("properties")) {
    for (const auto& [name, schema] : properties->get_object()) {
      if (!required.contains(std::string_view(name)) && !says_never(schema)) ++optional;
    }
  }
  const bool open = admits_other_keys(result);
  if (count_of(result, "minProperties").value_or(0) <= required.size()) erase(result, "minProperties");
  if (!open && count_of(result, "maxProperties").value_or(0) >= required.size() + optional)
    erase(result, "maxProperties");
  const std::optional<std::size_t> least = count_of(result, "minProperties");
  const std::optional<std::size_t> most = count_of(result, "maxProperties");
  if (open && least && *least > required.size() + 1) {
    refuse(place, "minProperties is supported up to one more than the required properties: a free key may be repeated");
  }
  const auto is_one_more = [&](const std::optional<std::size_t>& count) {
    return !count || *count == required.size() + 1;
  };
  if (optional > 0 && (least || most) && (open || !is_one_more(least) || !is_one_more(most))) {
    refuse(place,
           "minProperties and maxProperties are supported where all properties are required, or as one of the optional "
           "ones with additionalProperties false");
  }
}

// ---- free keys ----

void spell_free_keys_one_way(json::object& result, const SchemaPlace& place) {
  const bool about_keys =
      result.contains("properties") || result.contains("required") || result.contains("additionalProperties");
  const json::value* others = result.if_contains("additionalProperties");
  if (!about_keys || place.document.plain_escapes || result.contains("patternProperties")) return;
  if (others != nullptr && !says_nothing(*others)) return;
  result["patternProperties"] = json::object{{anchored(fmt::format("{}*", kKeyCharacter)), true}};
  result["additionalProperties"] = false;
}

}  // namespace

std::string anchored(const std::string& regex) { return fmt::format("^(?:{})$", regex); }

void shape_object(const json::object& fields, json::object& result, const SchemaPlace& place) {
  restrict_names(fields, result, place);
  check_counts(result, place);
  spell_free_keys_one_way(result, place);
}

}  // namespace glimt
