#include "api/wire.h"

#include "text/utf8.h"

namespace glimt {

std::string valid_utf8(std::string_view text) {
  if (!find_invalid_utf8(text)) return std::string(text);
  std::string out;
  Utf8Assembler characters;
  characters.push(text, out);
  characters.finish(out);
  return out;
}

std::string wire_json(const json::value& value) { return valid_utf8(dump_json(value)); }

std::string sse_data(const json::value& value) { return fmt::format("data: {}\n\n", wire_json(value)); }

std::string sse_event(std::string_view type, const json::value& value) {
  return fmt::format("event: {}\ndata: {}\n\n", type, wire_json(value));
}

std::string sse_comment(std::string_view text) { return fmt::format(": {}\n\n", text); }

std::string json_line(const json::value& value) { return wire_json(value) + "\n"; }

}  // namespace glimt
