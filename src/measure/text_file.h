// A file of text as the tokens that models are measured with.
#pragma once

#include "base/token.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace glimt {

enum class TextForm : std::uint8_t {
  literal,  // whatever the text spells, it is text
  raw       // control tokens are recognised by their text: conversations that a template has rendered
};

// Tokens of `file` for the model in `folder`, whose tokenizer is `tokenizer`. A file whose name ends with .jsonl holds a
// conversation a line ({"messages": […], "tools"?: […], "chat_template_kwargs"?: {…}}): they are rendered by the
// model's chat template, without a generation prompt, and follow each other; `form` does not matter then. Nothing is
// added in front. Throws not_found or bad_file for the file, invalid_request, which names file and line, for what is in
// it.
std::vector<TokenId> read_text_tokens(const std::filesystem::path& file, const std::filesystem::path& folder,
                                      const Tokenizer& tokenizer, TextForm form);

// Throws invalid_request, which names both and the first token that differs, unless a token id means the same in both
// folders' tokenizer.json.
void check_same_vocabulary(const std::filesystem::path& reference, const Tokenizer& tokenizer,
                           const std::filesystem::path& other);

}  // namespace glimt
