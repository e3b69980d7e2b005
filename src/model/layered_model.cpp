#include "model/layered_model.h"

#include "base/error.h"
#include "distributed/place.h"
#include "kernels/ops.h"
#include "model/glm4_moe_lite.h"
#include "model/no_buffer_cache.h"

namespace glimt {
namespace {

std::string prefix_of(int layer) { return layer_path(layer) + "."; }

Config config_alone(const std::filesystem::path& folder, const LoadOptions& options) {
  if (place_from_environment()) {
    fail(ErrorKind::unsupported, "ranks", "a model that is read layer by layer is for one process; it needs no other");
  }
  return config_for(folder, options);
}

}  // namespace

LayeredModel::LayeredModel(const std::filesystem::path& folder, const LoadOptions& options)
    : config_(config_alone(folder, options)),
      weights_(folder, config_.quantization, device_for(options)),
      device_(weights_.device()),
      embed_tokens_(device_, weights_.take_shared("model.embed_tokens", config_.vocab_size, config_.hidden_size)),
      norm_(device_, weights_.take_vector("model.norm.weight", config_.hidden_size), config_.rms_norm_eps),
      lm_head_(take_head(config_, weights_, embed_tokens_)) {}

PoolShape LayeredModel::cache_shape() const { return {1, config_.cache_width(), device_.rows(), &device_.ops()}; }

mx::array LayeredModel::embed(const mx::array& ids) const { return embed_tokens_(ids, device_.activations()); }

DecoderLayer LayeredModel::take_layer(int index) {
  const NoBufferCache no_cache;
  weights_.expect(prefix_of(index + 1));  // the disk works while this layer computes
  return {config_, weights_, layer_path(index), config_.is_moe_layer[static_cast<std::size_t>(index)]};
}

void LayeredModel::drop_layer(int index) const { weights_.drop(prefix_of(index)); }

mx::array LayeredModel::unembed(const mx::array& hidden) const {
  return mx::astype(lm_head_(norm_(hidden)), mx::float32);
}

void check_layers(const std::filesystem::path& folder, const LoadOptions& options) {
  if (device_for(options).ops().takes_stored_weights) static_cast<void>(load_model(folder, options));
}

}  // namespace glimt
