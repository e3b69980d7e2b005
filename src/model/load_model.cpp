#include "model/load_model.h"

#include "base/error.h"
#include "kernels/device.h"
#include "model/glm4_moe_lite.h"
#include "model/load_ranks.h"
#include "model/no_buffer_cache.h"

namespace glimt {

kernels::Device device_for(const LoadOptions& options) {
  auto device = options.ops != nullptr ? kernels::Device(*options.ops, options.exact)
                                       : kernels::Device::choose(options.exact, options.expand_prompts);
  if (options.activations) device = kernels::Device(device.ops(), options.exact, *options.activations);
  return device;
}

Config config_for(const std::filesystem::path& folder, const LoadOptions& options) {
  Config config = Config::from_folder(folder);  // of the one architecture there is
  config.round_rope_frequencies = options.round_rope_frequencies;
  return config;
}

LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  if (std::optional<Place> place = place_from_environment()) return load_over_ranks(folder, options, std::move(*place));
  if (!options.ranks.layers.empty() || options.ranks.split != Split::pipeline) {
    fail(ErrorKind::invalid_request, options.ranks.layers.empty() ? "--split" : "--layers",
         "cuts a model between ranks, and this process computes alone");
  }
  const NoBufferCache no_cache;
  Config config = config_for(folder, options);
  Weights weights(folder, config.quantization, device_for(options));
  LoadedModel loaded;
  loaded.model = std::make_unique<Glm4MoeLite>(std::move(config), weights);
  weights.finish();
  loaded.weight_bytes = weights.total_bytes();
  if (kernels::computes_on_cpu()) loaded.files = weights.maps();
  return loaded;
}

}  // namespace glimt
