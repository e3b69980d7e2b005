// From a model folder to a model.
#pragma once

#include "base/file.h"
#include "base/ranks.h"
#include "model/causal_lm.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace glimt {

struct LoadOptions {
  // Cache rows in float32 instead of bfloat16, and no shortcut that rounds activations: for comparison with reference
  // numbers.
  bool exact = false;

  // Keys and values of all heads for long chunks of prompts: quicker, but a row's last bits then depend on the chunk
  // that it came in, and so on what the prefix cache held.
  bool expand_prompts = false;

  // The device's operations; null: what Device::choose says.
  const kernels::Ops* ops = nullptr;

  // The dtype of hidden states; unset: what the device has. For tests.
  std::optional<mx::Dtype> activations = std::nullopt;

  // Rotary frequencies rounded to bfloat16: reference numbers made by transformers after model.to(torch.bfloat16) have
  // that error in them, because the cast reaches the buffer of frequencies too.
  bool round_rope_frequencies = false;

  // Where several processes compute the model together (distributed/place.h).
  RankOptions ranks = {};
};

// What the options mean: where the model computes, and the folder's configuration. Throw what load_model throws.
kernels::Device device_for(const LoadOptions& options);
Config config_for(const std::filesystem::path& folder, const LoadOptions& options);

struct LoadedModel {
  std::unique_ptr<CausalLm> model;
  std::size_t weight_bytes = 0;                          // of the files' tensors; on several machines, of its part
  std::size_t copied_bytes = 0;                          // of these, in memory of their own by now
  std::vector<std::shared_ptr<const MappedFile>> files;  // that the model reads its weights from; empty on a GPU
};

// Reads config.json and the weights of `folder`. Where the environment says that this process is rank 0 of several, it
// meets the others, and reads its part. Throws Error: unsupported for an unknown architecture (listing the
// known ones), bad_file or not_found for everything that is wrong with the files; what
// place_from_environment() and Group throw; invalid_request for layers that cannot be cut as the options say.
LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options = {});

}  // namespace glimt
