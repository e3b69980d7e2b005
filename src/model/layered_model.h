// A model that is passed through once, layer by layer, with many tokens at a time: only the layer that computes needs
// memory, so that checkpoints larger than the machine's can be measured. Used by one thread.
#pragma once

#include "model/decoder_layer.h"
#include "model/load_model.h"

#include <filesystem>
#include <string>

namespace glimt {

class LayeredModel {
 public:
  // Opens the files and reads no layer. Throws what load_model throws about config.json, the files' headers, the
  // embedding, the last norm and the head.
  explicit LayeredModel(const std::filesystem::path& folder, const LoadOptions& options = {});

  const Config& config() const { return config_; }
  const kernels::Device& device() const { return device_; }
  int layers() const { return config_.num_hidden_layers; }
  PoolShape cache_shape() const;  // of one layer

  mx::array embed(const mx::array& ids) const;  // ids [N] int32 (< vocab_size) -> [N, hidden]

  // A layer of the trunk, each once and in order. Throws what load_model throws about its tensors.
  DecoderLayer take_layer(int index);

  // After the layer that take_layer returned is gone: its weights need no memory any more.
  void drop_layer(int index) const;

  // The last layer's states [N, hidden] -> logits [N, vocab_size] in float32.
  mx::array unembed(const mx::array& hidden) const;

 private:
  Config config_;
  Weights weights_;
  kernels::Device device_;
  Embedding embed_tokens_;
  RmsNorm norm_;
  Linear lm_head_;
};

// Loads everything and keeps nothing, so that a fault in the last layer is known before an hour was spent on the
// others. Does nothing where loading copies the weights. Throws what load_model throws.
void check_layers(const std::filesystem::path& folder, const LoadOptions& options);

}  // namespace glimt
