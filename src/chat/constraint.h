// What an answer has to be, as it was asked for, made into what the grammars compile.
#pragma once

#include "base/json.h"
#include "chat/prepare.h"

#include <string>

namespace glimt {

// A text and what it was called by whoever gave it: a file's name. Both are empty where nothing was asked for.
struct NamedText {
  std::string name;
  std::string text;
};

// At most one of these may ask for something.
struct AnswerForm {
  NamedText format;                  // the word "json" without a text: any JSON object; else a JSON schema
  std::string regex;                 // Rust's syntax; of the whole answer
  NamedText grammar;                 // Lark
  std::string tool_choice = "auto";  // auto, required, none, or a tool's name
};

constexpr std::string_view kJsonFormat = "json";

// Throws invalid_request if more than one decides the answer, or calls are wanted and there are no tools.
OutputConstraint constraint_of(const AnswerForm& form, const json::array& tools);

}  // namespace glimt
