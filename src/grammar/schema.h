// JSON schemas as llguidance is given them: what it cannot enforce is refused with its place, what says nothing about
// the text is left out.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>

namespace glimt {

// Days that exist, years 0001 to 9999. llguidance alone takes the 29th of every February.
inline constexpr std::string_view kDateRegex =
    "((0[0-9]{2}[1-9]|0[0-9][1-9]0|0[1-9]00|[1-9][0-9]{3})"
    "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)";

inline constexpr int kMaxSchemaDepth = 64;
inline constexpr double kMaxSafeInteger = 9007199254740991;  // 2^53 - 1: the same number in every JSON reader

// `schema` by itself, made from `schema`, whose references point into `root`. Annotations and unknown keywords are
// dropped, as JSON Schema says; references are local ("#/…") and become entries of one "$defs"; a oneOf of references
// holds their targets, so that it can be seen that only one of them fits. Bounds of numbers are drawn in to ±(2^53 - 1),
// and an integer without a bound gets one of 15 digits, so that digits end. Throws invalid_request, "where: /path: what": for keywords
// that cannot be enforced (not, if, uniqueItems, contains, propertyNames, dependent…, unevaluated…, $dynamicRef), unknown
// formats, references that lead nowhere or out of the schema, integers beyond 2^53, more than 64 levels,
// 6,000 parts or 1,000 properties of one object.
json::value prepare_schema(const json::value& schema, const json::value& root, std::string_view where);

// The target of a local reference. Throws as above; `path` is where the reference stands.
const json::value& resolve_reference(const json::value& reference, const json::value& root, std::string_view where,
                                     std::string_view path);

}  // namespace glimt
