// Answers of Ollama's chat and generate, as one object or as lines.
//
// Every line has a content, perhaps an empty one; the last one says done: true, why, and how long what took. Calls come
// whole. A writer that hears of no answer at all between start() and finish() says that the model was loaded or
// unloaded.
#pragma once

#include "api/answer_writer.h"

#include <cstdint>
#include <memory>

namespace glimt {

struct OllamaForm {
  enum class Endpoint : std::uint8_t { chat, generate };

  Endpoint endpoint = Endpoint::chat;
  bool stream = true;
  bool unloads = false;  // where there is no answer
};

std::unique_ptr<AnswerWriter> ollama_writer(const OllamaForm& form, const AnswerHead& head);

}  // namespace glimt
