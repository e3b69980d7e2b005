// How JSON goes over the wire: as lines, or as server-sent events. Everything made here is valid UTF-8.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>

namespace glimt {

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kEventStreamType = "text/event-stream";
inline constexpr std::string_view kJsonLinesType = "application/x-ndjson";

// The text with U+FFFD in place of bytes that are no character. A text that comes in pieces goes through one
// Utf8Assembler (text/utf8.h) instead, since a piece may end inside of a character.
std::string valid_utf8(std::string_view text);

// One line without its end. A string that begins with the mark of base/json's big integers would come out as a number,
// so what the model wrote goes through valid_utf8 before it becomes a json::string.
std::string wire_json(const json::value& value);

std::string sse_data(const json::value& value);                          // "data: {…}\n\n"
std::string sse_event(std::string_view type, const json::value& value);  // "event: type\ndata: {…}\n\n"
std::string sse_comment(std::string_view text);                          // ": text\n\n", which clients skip
std::string json_line(const json::value& value);                         // "{…}\n"

}  // namespace glimt
