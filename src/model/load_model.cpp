#include "model/load_model.h"

#include "kernels/device.h"
#include "model/glm4_moe_lite.h"

#include <cstddef>
#include <optional>

namespace glimt {
namespace {

// On a GPU the buffers that the host filled are freed, not kept: MLX would compute into them, slowly, later on.
class NoBufferCache {
 public:
  NoBufferCache() : limit_(kernels::host_memory() ? std::nullopt : std::optional(mx::set_cache_limit(0))) {}
  ~NoBufferCache() {
    if (limit_) mx::set_cache_limit(*limit_);
  }
  NoBufferCache(const NoBufferCache&) = delete;
  NoBufferCache& operator=(const NoBufferCache&) = delete;

 private:
  std::optional<std::size_t> limit_;
};

}  // namespace

LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  const NoBufferCache no_cache;
  Config config = Config::from_folder(folder);  // of the one architecture there is
  config.round_rope_frequencies = options.round_rope_frequencies;
  auto device =
      options.ops != nullptr ? kernels::Device(*options.ops, options.exact) : kernels::Device::choose(options.exact);
  if (options.activations) device = kernels::Device(device.ops(), options.exact, *options.activations);
  Weights weights(folder, config.quantization, device);
  LoadedModel loaded;
  loaded.model = std::make_unique<Glm4MoeLite>(std::move(config), weights);
  weights.finish();
  loaded.weight_bytes = weights.total_bytes();
  if (kernels::computes_on_cpu()) loaded.files = weights.maps();
  return loaded;
}

}  // namespace glimt
