// The part of preparing a schema that is about the keys of objects. Used by schema.cpp alone.
#pragma once

#include "grammar/schema_values.h"

#include <string>

namespace glimt {

// A regex of a whole text with its anchors, as llguidance finds it in a text.
std::string anchored(const std::string& regex);

// `fields` is a schema that may be an object, `result` the same with converted subschemas, which is changed:
//   propertyNames that is an enum becomes properties, a pattern, format or length becomes patternProperties;
//   minProperties and maxProperties that say nothing are left out, and refused where llguidance cannot count;
//   free keys beside declared ones become a pattern: additionalProperties would also take a declared key that is
//   spelled with escapes. (Where free keys have a schema, SchemaDocument::plain_escapes sees to that: a declared key
//   would have to fit the pattern's schema as well.)
// Throws invalid_request.
void shape_object(const json::object& fields, json::object& result, const SchemaPlace& place);

}  // namespace glimt
