// References within a JSON schema: "#/$defs/a", "#name", "item.json#/a" where a part of the schema has this $id.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>

namespace glimt {

enum class SchemaDraft { draft4 = 4, draft6 = 6, draft7 = 7, draft2019 = 2019, draft2020 = 2020 };

// What "$schema" says; 2020-12 if nothing or something unknown. Throws invalid_request for draft 3 and older.
SchemaDraft draft_of(const json::value& schema, std::string_view where);

// `schema` with every reference that leads somewhere in it written as a pointer from its root ("#/$defs/a"), and
// without $id and $anchor, which then have no meaning. Beside a $ref of drafts 4 to 7 other keywords are left out: they
// do not count there. References that lead nowhere stay. Throws invalid_request.
json::value with_local_references(const json::value& schema, std::string_view where);

// The target of a pointer from the root. Throws invalid_request "where: path: what": `path` is where the reference
// stands.
const json::value& resolve_reference(const json::value& reference, const json::value& root, std::string_view where,
                                     std::string_view path);

// `text` as one part of a JSON pointer: "a/b" is "a~1b".
std::string pointer_part(std::string_view text);

}  // namespace glimt
