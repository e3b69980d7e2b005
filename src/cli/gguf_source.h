// A GGUF file as what `glimt convert` reads.
#pragma once

#include "convert/gguf_recipe.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace glimt {

struct GgufSource {
  std::shared_ptr<const GgufModel> model;
  std::filesystem::path tokenizer;  // the folder with tokenizer.json and the other small files
};

// `tokenizer`: what --tokenizer says, a folder or the name of a model. Throws invalid_request where it says nothing and
// where its tokenizer is another model's; what GgufModel, Tokenizer and resolve_model throw.
GgufSource open_gguf_source(const std::filesystem::path& file, const std::string& tokenizer);

// A line for each type: what became of its matrices.
void print_gguf_uses(const std::vector<convert::GgufUse>& uses);

}  // namespace glimt
