// The data that the tests of the text layer share: a real tokenizer.json of 4,096 ids with GLM's control tokens, and
// the chat template that was released with GLM-4.7-Flash.
#pragma once

#include "base/file.h"
#include "base/json.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace glimt::test {

inline std::filesystem::path data_folder() { return std::filesystem::path(GLIMT_SOURCE_DIR) / "tests/text/data"; }

inline const Tokenizer& tokenizer() {
  static const Tokenizer loaded(data_folder());
  return loaded;
}

inline const ChatTemplate& glm_template() {
  static const ChatTemplate loaded(data_folder(), tokenizer());
  return loaded;
}

inline ChatTemplate template_of(std::string_view source) { return {source, "test.jinja", tokenizer()}; }

inline json::object parse_object(std::string_view text) { return parse_json(text, "test").get_object(); }

inline std::vector<json::value> json_lines(std::string_view name) {
  const std::string text = read_file(data_folder() / name);
  std::vector<json::value> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(parse_json(std::string_view(text).substr(at, end - at), name));
    at = end + 1;
  }
  return lines;
}

}  // namespace glimt::test
