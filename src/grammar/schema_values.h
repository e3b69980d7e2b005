// The part of preparing a schema that is about values without parts: types, counts, constants, bounds. Used by
// schema.cpp alone, as schema_objects.h.
#pragma once

#include "grammar/schema_document.h"

#include <string>
#include <string_view>

namespace glimt {

// A place in a schema that is being prepared.
struct SchemaPlace {
  const SchemaDocument& document;
  SchemaBudget& budget;
  std::string_view where;
  const std::string& path;
};

// Throws invalid_request "where: path: what".
[[noreturn]] void refuse(const SchemaPlace& place, std::string_view what);

// Whether the "type" of a schema, if it has one, has `name` among its types.
bool may_be(const json::object& fields, std::string_view name);

// The value of a keyword as llguidance takes it: names of types; names of properties; a count, for which 2.0 is the
// integer 2; a bound within what is safe; a factor whose automaton is small. All throw invalid_request.
json::value checked_types(const json::value& value, const SchemaPlace& place);
json::value checked_names(const json::value& value, const SchemaPlace& place);
json::value checked_count(const json::value& value, const SchemaPlace& place);
json::value checked_bound(std::string_view name, const json::value& value, const SchemaPlace& place);
json::value checked_factor(const json::value& value, const SchemaPlace& place);

// Throws if a constant holds a number beyond 2^53, or has too many levels.
void check_literal(const json::value& value, const SchemaPlace& place, int depth);

// Changes draft 4's "exclusiveMinimum": true to a number, and gives integers without a bound one.
void tidy_numbers(json::object& fields);

// The schema of an integer without bounds after that.
json::object plain_integer();

}  // namespace glimt
