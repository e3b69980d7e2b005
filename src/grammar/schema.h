// JSON schemas as llguidance is given them: what it cannot enforce is refused with its place, what says nothing about
// the text is left out, what it takes for something else is written so that both mean the same.
#pragma once

#include "base/json.h"
#include "grammar/schema_references.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace glimt {

inline constexpr double kMaxSafeInteger = 9007199254740991;  // 2^53 - 1: the same number in every JSON reader
inline constexpr std::size_t kMaxProperties = 1'000;         // of one object

// What the schemas of one request may cost together. A reference makes parts again, so a short schema may have many.
class SchemaBudget {
 public:
  // `subject` opens the message: "the schema has", "the tools' schemas together have".
  SchemaBudget(std::size_t parts, std::size_t bytes, std::string_view subject)
      : max_parts_(parts), max_bytes_(bytes), subject_(subject) {}

  // Throw invalid_request "where: path: …" when there is nothing left.
  void spend_part(std::string_view where, std::string_view path);
  void spend_bytes(std::size_t count, std::string_view where, std::string_view path);

 private:
  std::size_t max_parts_;
  std::size_t max_bytes_;
  std::string_view subject_;
  std::size_t parts_ = 0;
  std::size_t bytes_ = 0;
};

SchemaBudget budget_of_one_schema();  // 6,000 parts, 1 MiB

// A whole schema, with references as pointers from its root. Read it once, then prepare as many parts of it as needed.
struct SchemaDocument {
  SchemaDocument(const json::value& schema, std::string_view where);

  json::value root;
  SchemaDraft draft;
  // Whether a key could be spelled in two ways that its schema tells apart: then no string in these schemas has \u
  // escapes.
  bool plain_escapes;
};

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
