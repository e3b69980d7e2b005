// The keywords of JSON Schema, drafts 3 to 2020-12, and what their values are.
#pragma once

#include "base/json.h"

#include <functional>
#include <string>
#include <string_view>

namespace glimt {

inline constexpr int kMaxSchemaDepth = 64;

// What the value of a keyword is, for the one that makes a grammar of it.
enum class Holds {
  types,
  names,
  count,
  pattern,
  format,
  factor,
  bound,
  literal,
  literals,
  schema,
  schemas,
  named_schemas,
  patterned_schemas,
  reference,
  condition  // refused unless it says nothing
};

struct Keyword {
  std::string_view name;
  Holds holds;
  std::string_view instead = {};  // of a condition: what to do
};

// Null for an annotation and for what no draft knows.
const Keyword* find_keyword(std::string_view name);

// A schema that everything fits: true, or an object without keywords.
bool says_nothing(const json::value& schema);

// Whether the condition `name` of these fields says nothing about a value: "then" without "if", "uniqueItems": false, …
bool says_nothing(std::string_view name, const json::value& value, const json::object& fields);

// A schema that nothing fits: false, or {"not": {}}.
bool says_never(const json::value& schema);

// Calls `map` for each schema that the field `name` holds, with its pointer from the schema that has the field
// ("/properties/a"), and gives the field's value with what `map` returned in their places. Other fields stay.
using MapSubschema = std::function<json::value(const json::value& schema, const std::string& pointer)>;
json::value map_subschemas(std::string_view name, const json::value& value, const MapSubschema& map);

}  // namespace glimt
