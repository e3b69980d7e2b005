// Patterns of JSON schemas, which are ECMA-262's, as regexes that llguidance understands, which are Rust's. The two
// agree in most of what they write alike and not in what it means: \d, \s, ., &&, [ in a class, \b, \<.
#pragma once

#include <string>
#include <string_view>

namespace glimt {

// A regex of all texts, also of those with line breaks.
inline constexpr std::string_view kAnyTextRegex = "(?s:.*)";

// A regex without anchors that matches a whole text wherever ECMA-262 with the flag u finds `pattern` in it. Escapes of
// punctuation that the flag forbids ("\-") and loose braces are literal, as without the flag. "/" is escaped, so that
// the result may stand in a Lark grammar. `where` opens the messages: "schema: /properties/a/pattern".
//
// Throws invalid_request for what a regular expression cannot do or llguidance does not: look-around, word boundaries,
// back references, flags, anchors that are not at the ends; for wrong syntax; and for more than 16 KiB or 64 groups in
// each other.
std::string whole_text_regex(std::string_view pattern, std::string_view where);

}  // namespace glimt
