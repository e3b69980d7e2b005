#include "grammar/schema_document.h"

#include "base/error.h"
#include "grammar/schema_keywords.h"

#include <algorithm>

namespace glimt {
namespace {

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

[[noreturn]] void refuse(std::string_view where, std::string_view path, std::string_view what) {
  if (path.empty()) fail(ErrorKind::invalid_request, where, "{}", what);
  fail(ErrorKind::invalid_request, where, "{}: {}", path.substr(0, 200), what);
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool has_odd_name(const json::value& required) {
  const json::array* names = required.if_array();
  return names != nullptr && std::any_of(names->begin(), names->end(), [](const json::value& name) {
           return name.is_string() && has_control_character(view(name.get_string()));
         });
}

// Whether a key that is spelled with escapes could get around its schema: beside patterns, free keys with a schema of
// their own, and names with control characters, where a pattern for free keys (schema_objects.cpp) does not help.
bool has_keys_of_two_spellings(const json::value& schema) {
  if (const json::array* items = schema.if_array()) {
    return std::any_of(items->begin(), items->end(), has_keys_of_two_spellings);
  }
  const json::object* fields = schema.if_object();
  if (fields == nullptr) return false;
  const bool named = fields->contains("properties");
  return std::any_of(fields->begin(), fields->end(), [&](const auto& field) {
    const std::string_view name(field.key().data(), field.key().size());
    const bool others = name == "additionalProperties" || name == "unevaluatedProperties";
    return name == "patternProperties" ||
           (named && others && !says_nothing(field.value()) && !says_never(field.value())) ||
           (name == "required" && has_odd_name(field.value())) || has_control_character(name) ||
           has_keys_of_two_spellings(field.value());
  });
}

}  // namespace

void SchemaBudget::spend_part(std::string_view where, std::string_view path) {
  if (++parts_ > max_parts_) refuse(where, path, fmt::format("{} more than {} parts", subject_, max_parts_));
}

void SchemaBudget::spend_bytes(std::size_t count, std::string_view where, std::string_view path) {
  bytes_ += count;
  if (bytes_ > max_bytes_) {
    refuse(where, path, fmt::format("{} more than {} bytes with what references stand for", subject_, max_bytes_));
  }
}

SchemaBudget budget_of_one_schema() { return {6'000, std::size_t{1} << 20, "the schema has"}; }

SchemaDocument::SchemaDocument(const json::value& schema, std::string_view where)
    : root(with_local_references(schema, where)),
      draft(draft_of(schema, where)),
      plain_escapes(has_keys_of_two_spellings(root)) {}

}  // namespace glimt
