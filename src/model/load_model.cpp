#include "model/load_model.h"

#include "kernels/device.h"
#include "model/glm4_moe_lite.h"

namespace glimt {

LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  Config config = Config::from_folder(folder);  // of the one architecture there is
  config.round_rope_frequencies = options.round_rope_frequencies;
  const auto device =
      options.ops != nullptr ? kernels::Device(*options.ops, options.exact) : kernels::Device::choose(options.exact);
  Weights weights(folder, config.quantization, device);
  LoadedModel loaded;
  loaded.model = std::make_unique<Glm4MoeLite>(std::move(config), weights);
  weights.finish();
  loaded.weight_bytes = weights.total_bytes();
  if (kernels::computes_on_cpu()) loaded.files = weights.maps();
  return loaded;
}

}  // namespace glimt
