// Tells what a user typed from what the chat template wrote, in a prompt that is one string.
//
// A chat template pastes messages between control tokens. If a message holds the text "<|user|>", the prompt holds it
// twice with different meaning, and only one of them may become the control token. The idea: render a second time, with
// a mark (a character that occurs nowhere else) put into every string of the request wherever it spells a control
// token, or could be completed to one by its neighbours. A control token that is whole in the marked prompt came from
// the template alone. Taking the marks out again must give the first prompt to the byte: that proves that the template
// treated the marked request in the same way, so that offsets carry over.
//
//   request  "say <|user|>"          marked  "say <M|user|>"
//   prompt   "<|user|>say <|user|>"  marked  "<|user|>say <M|user|>"  -> one control token, at 0
//
// Marks are put
//   * after the first character of every control token that a string spells;
//   * in front of a string that starts with the end of one ("er|> hi") or is an inner part of one ("us"), and behind a
//     string that ends with the beginning of one ("hi <|us"), white space at both ends left out, since templates strip
//     it. So two strings that the template joins cannot spell one either.
// Words that templates compare and names that they look up are left as they are unless they spell a whole control
// token: the values of "role" and "type" if they are plain words, and plain words as keys outside of "arguments".
#pragma once

#include "base/json.h"
#include "text/control_tokens.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

class LiteralMarks {
 public:
  // Chooses a mark that does not occur in `prompt`, the render of the request without marks. Throws invalid_request if
  // all 256 candidates do. `controls` must outlive this object.
  LiteralMarks(const ControlMatcher& controls, std::string_view prompt);

  // The request with marks in every string, at any depth; the names of its top-level fields stay.
  json::object mark(const json::object& request) const;

  // The control tokens of `prompt` that are whole in `marked_prompt`, or nothing if the two differ in more than marks.
  std::optional<std::vector<ControlSpan>> resolve(std::string_view prompt, std::string_view marked_prompt) const;

 private:
  json::value mark_value(const json::value& value, std::string_view key, bool in_arguments) const;
  json::object mark_object(const json::object& object, bool in_arguments) const;
  std::string mark_text(std::string_view text, bool edges) const;

  const ControlMatcher& controls_;
  std::string mark_;
};

}  // namespace glimt
