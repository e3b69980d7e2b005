#include "text/detokenizer.h"

#include <utility>

namespace glimt {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, ControlText control) : tokenizer_(tokenizer), control_(control) {}

bool Detokenizer::is_hidden(TokenId id) const {
  switch (control_) {
    case ControlText::show: return false;
    case ControlText::hide_special: return tokenizer_.is_special(id);
    case ControlText::hide: return tokenizer_.is_control(id);
  }
  return false;
}

std::string Detokenizer::push(TokenId id) {
  TokenText parts = push_parted(id);
  return std::move(parts.text) + parts.control;
}

TokenText Detokenizer::push_parted(TokenId id) {
  TokenText parts;
  if (is_hidden(id)) return parts;
  if (tokenizer_.is_control(id)) {
    characters_.finish(parts.text);  // a character that was left incomplete stays so
    parts.control = tokenizer_.piece(id);
  } else {
    characters_.push(tokenizer_.piece(id), parts.text);
  }
  return parts;
}

std::string Detokenizer::finish() {
  std::string text;
  characters_.finish(text);
  return text;
}

}  // namespace glimt
