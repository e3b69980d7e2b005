// Ids that arrive one at a time to text that can be shown at once.
#pragma once

#include "base/token.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <string>

namespace glimt {

enum class ControlText {
  show,          // control tokens appear as their text
  hide_special,  // those that Hugging Face calls special do not
  hide,          // none does: <think> and <tool_call> are left out too
};

// What one token adds to an answer: the characters that it completes, then its own text if it is a control token that
// is shown. So a reader of the structure can tell a tag that the model wrote from text that spells one.
struct TokenText {
  std::string text;
  std::string control;
};

// A stream of one answer; keep one for each. The concatenation of all that push() and finish() return is
// Tokenizer::decode of the ids. Cost is that of the bytes, whatever the length of the answer. Not thread-safe.
class Detokenizer {
 public:
  // `tokenizer` must outlive the detokenizer.
  explicit Detokenizer(const Tokenizer& tokenizer, ControlText control = ControlText::show);

  // The text that the id completes, whole characters only: a token may hold part of one, which is kept until the rest
  // arrives. An id that is not in the vocabulary has no text.
  std::string push(TokenId id);

  // The same with the text of a control token set apart: push() is `text`, then `control`.
  TokenText push_parted(TokenId id);

  // What is left at the end: U+FFFD for an incomplete character, else nothing.
  std::string finish();

 private:
  bool is_hidden(TokenId id) const;

  const Tokenizer& tokenizer_;
  ControlText control_;
  Utf8Assembler characters_;
};

}  // namespace glimt
