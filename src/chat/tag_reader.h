// Tags found in raw text, whose tokens are not known: for `glimt parse` and tests.
#pragma once

#include "chat/output_parser.h"
#include "text/glm_tags.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// Text, then a tag.
struct AnswerPiece {
  std::string text;
  std::optional<GlmTag> tag;
};

// Whatever spells a tag is taken for it, with one exception: `</arg_value>` is a tag only where `<arg_key>`,
// `</tool_call>` or the end follows, with white space (up to 64 KiB) between or none. So the value of an argument may
// itself hold markup. The pieces together do not depend on how the text is cut. Not thread-safe.
class TagReader {
 public:
  // The pieces that are certain.
  std::vector<AnswerPiece> feed(std::string_view text);

  // The end: what was held back.
  std::vector<AnswerPiece> finish();

 private:
  void read(char c);
  void on_text(std::string_view text);
  void on_tag(GlmTag tag);
  void push(GlmTag tag);
  void push(std::string_view text);

  std::string start_;      // of what may be a tag
  std::string value_end_;  // </arg_value> and white space, while it is open what follows
  std::vector<AnswerPiece> pieces_;
};

// A whole raw answer, `step` bytes at a time (0: at once).
ParsedOutput parse_raw(std::string_view text, const OutputRules& rules, std::size_t step = 0);

}  // namespace glimt
