// The metadata of a GGUF file as a config.json.
#pragma once

#include "base/json.h"
#include "checkpoint/gguf_header.h"

#include <string>

namespace glimt {

// What the release's config.json says. llama.cpp calls this model's architecture deepseek2. Throws bad_file or
// unsupported, with the name of the file and of the metadata: see GgufModel.
json::object gguf_config(const GgufHeader& header, const std::string& file);

// tokenizer.chat_template, or an empty text.
std::string gguf_chat_template(const GgufHeader& header);

}  // namespace glimt
