// Which checkpoint is this? For files that are of use with the same weights and configuration only.
#pragma once

#include "checkpoint/gguf_model.h"

#include <filesystem>
#include <string>

namespace glimt {

// 36 characters that differ if config.json, a header of the .safetensors files or a sampled byte of their tensors does.
// Every tensor is sampled, so that a fine-tuning of few shows; file names, times and the tokenizer do not count. About
// 20 ms once the files are in memory, whatever their size. Two checkpoints agree by accident with a probability of
// 2^-122; it does not protect from weights that are built to deceive it, because most bytes are not read. Throws what
// reading the files throws.
std::string checkpoint_fingerprint(const std::filesystem::path& folder);

// The same of a GGUF file.
std::string checkpoint_fingerprint(const GgufModel& model);

}  // namespace glimt
