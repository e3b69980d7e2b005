#include "chat/call_json.h"

#include <utility>

namespace glimt {

void CallJson::begin(std::string_view key) {
  text_ += std::exchange(empty_, false) ? "{" : ", ";
  text_ += json::serialize(json::string(key)) + ": ";
}

void CallJson::add(std::string_view key, const json::value& value) {
  begin(key);
  text_ += dump_json(value);
}

void CallJson::begin_text(std::string_view key) {
  begin(key);
  text_ += '"';
}

// Bytes of characters beyond ASCII stand in JSON as they are, so they need not come together.
void CallJson::add_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x20 && c != '"' && c != '\\') {
    text_ += c;
    return;
  }
  const std::string quoted = json::serialize(json::string(1, c));
  text_.append(quoted, 1, quoted.size() - 2);
}

void CallJson::end_text() { text_ += '"'; }

void CallJson::end() { text_ += std::exchange(empty_, true) ? "{}" : "}"; }

std::string CallJson::take() { return std::exchange(text_, {}); }

}  // namespace glimt
