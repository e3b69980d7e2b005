// The computed beginning of a conversation as a file: tokens and their rows, so that it need not be computed again after
// a restart.
//
// Layout, little endian: "GLIMTSES", version (u32), length of the key (u32), number of blocks (u64), bytes of a block
// (u64), the key, the tokens (i32 each), the blocks, and the CRC-32 of all before (u32).
#pragma once

#include "engine/engine_loop.h"

#include <filesystem>
#include <string>

namespace glimt {

// Tells the weights of a model folder from others of the same shape: its safetensors files' sizes and samples of their
// content. Reads a few hundred pages.
std::string weights_fingerprint(const std::filesystem::path& folder);

// Two engines with the same key compute the same rows in the same format.
std::string session_key(const std::string& fingerprint, const PoolShape& shape);

// Atomically: a broken write leaves the old file.
void write_session(const std::filesystem::path& file, const std::string& key, const EngineLoop::Prefix& prefix);

// Throws not_found, and bad_file for a file that is damaged, too long or of another model.
EngineLoop::Prefix read_session(const std::filesystem::path& file, const std::string& key);

}  // namespace glimt
