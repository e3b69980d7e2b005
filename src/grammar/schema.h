// JSON schemas as llguidance is given them: what it cannot enforce is refused with its place, what says nothing about
// the text is left out, what it takes for something else is written so that both mean the same.
#pragma once

#include "base/json.h"
#include "grammar/schema_document.h"

#include <string_view>

namespace glimt {

// `schema`, a part of the document (or made from one), as a document of its own for llguidance. Annotations and unknown
// keywords are dropped, as JSON Schema says; references become entries of one "$defs"; a oneOf of references holds
// their targets, so that it can be seen that only one of them fits. Patterns and formats become anchored regexes, free
// keys a pattern that no escape can dodge. Bounds of numbers are drawn in to ±(2^53 - 1), and an integer without a
// bound gets one of 15 digits, so that digits end.
//
// Throws invalid_request, "where: /path: what", for keywords that cannot be enforced (docs/GRAMMAR.md), unknown
// formats, references that lead nowhere or out of the schema, integers beyond 2^53, more than 64 levels or 1,000
// properties of one object, and when the budget is spent.
json::value prepare_schema(const json::value& schema, const SchemaDocument& document, SchemaBudget& budget,
                           std::string_view where);

// A whole schema with a budget of its own.
json::value prepare_schema(const json::value& schema, std::string_view where);

}  // namespace glimt
