// A JSON schema as a request gives it, and what all schemas of a request may cost together.
#pragma once

#include "base/json.h"
#include "grammar/schema_references.h"

#include <cstddef>
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

}  // namespace glimt
