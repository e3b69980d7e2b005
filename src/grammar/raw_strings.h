// The strings that a schema admits where they are not quoted: arguments of calls, in GLM's form.
#pragma once

#include "grammar/schema_document.h"

#include <optional>
#include <string>
#include <string_view>

namespace glimt {

// The terminal that every grammar of tools has for text that does not spell the end of its value.
inline constexpr std::string_view kTextTerminal = "TEXT";

// A Lark string: JSON's syntax, without raw control characters.
std::string lark_string(std::string_view text);

// An expression of Lark terminals for the strings that `schema` admits, kTextTerminal for any; nothing if it admits
// none. Understands type, enum, const, anyOf, allOf, references, pattern, format and lengths, and oneOf where no text
// can fit two of its schemas. Throws invalid_request, "where: /path: what", and when the budget is spent.
std::optional<std::string> raw_strings(const json::value& schema, const SchemaDocument& document, SchemaBudget& budget,
                                       std::string_view where);

}  // namespace glimt
