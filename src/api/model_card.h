// What a client may know of a model, whatever its dialect: plain values, that who knows the models fills in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct ModelCard {
  std::string name;                  // as the store knows it, without a tag: "demo", "owner/name"
  std::int64_t modified = 0;         // seconds since 1970
  std::uint64_t size = 0;            // bytes of its files
  std::string digest;                // 64 hexadecimal digits, others for other files
  std::string format;                // of the files: "safetensors"
  std::string architecture;          // as config.json's model_type: "glm4_moe_lite"
  std::uint64_t parameters = 0;      // without the MTP layer
  std::string quantization;          // of most weights: "INT4", "BF16"
  std::size_t context = 0;           // most tokens of prompt and answer that this server allows
  std::size_t embedding_length = 0;  // hidden_size
  std::size_t layers = 0;            // without the MTP layer
  std::vector<std::string> capabilities = {"completion", "tools", "thinking"};
  std::string chat_template;      // its text; may be empty
  std::string license;            // its text; may be empty
  std::vector<std::string> stop;  // strings that clients should stop at; GLM has none, its end is a token
};

// A model that is in memory. (LoadedModel is what model/load_model.h makes.)
struct RunningModel {
  ModelCard card;
  std::uint64_t bytes = 0;              // of memory: weights and cache
  std::uint64_t gpu_bytes = 0;          // of these, a GPU's
  std::size_t context = 0;              // in use
  std::optional<std::int64_t> expires;  // seconds since 1970; nothing: it stays
};

}  // namespace glimt
