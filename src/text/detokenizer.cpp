#include "text/detokenizer.h"

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
  std::string text;
  if (!is_hidden(id)) characters_.push(tokenizer_.piece(id), text);
  return text;
}

std::string Detokenizer::finish() {
  std::string text;
  characters_.finish(text);
  return text;
}

}  // namespace glimt
