#include "model/registry.h"

#include "base/error.h"
#include "kernels/device.h"
#include "model/glm4_moe_lite.h"

namespace glimt {
namespace {

using Factory = std::unique_ptr<CausalLm> (*)(Config, Weights&);

std::unique_ptr<CausalLm> make_glm4_moe_lite(Config config, Weights& weights) {
  return std::make_unique<Glm4MoeLite>(std::move(config), weights);
}

struct Entry {
  std::string_view architecture;
  Factory make;
};
constexpr Entry kModels[] = {{"Glm4MoeLiteForCausalLM", make_glm4_moe_lite}, {"GLM4MoeLite", make_glm4_moe_lite}};

Factory factory_of(const std::string& architecture, const std::string& where) {
  std::string names;
  for (const Entry& entry : kModels) {
    if (entry.architecture == architecture) return entry.make;
    names += (names.empty() ? "" : ", ") + std::string(entry.architecture);
  }
  fail(ErrorKind::unsupported, where, "architecture '{}' is unknown; glimt runs {}", architecture, names);
}

// Refuses a foreign model by its name before its other fields can be found missing.
std::string architecture_in(const json::object& config, const std::string& where) {
  const json::array& names = JsonFields(config, where).array("architectures");
  return names.size() == 1 && names[0].is_string() ? std::string(names[0].get_string()) : std::string();
}

}  // namespace

std::vector<std::string> known_architectures() {
  std::vector<std::string> names;
  for (const Entry& entry : kModels) names.emplace_back(entry.architecture);
  return names;
}

LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  const std::string where = (folder / "config.json").string();
  const json::object object = Config::read(folder);
  const Factory make = factory_of(architecture_in(object, where), where);
  Config config = Config::from_json(object, where);
  config.round_rope_frequencies = options.round_rope_frequencies;
  const auto device =
      options.ops != nullptr ? kernels::Device(*options.ops, options.exact) : kernels::Device::choose(options.exact);
  Weights weights(folder, config.quantization, device);
  LoadedModel loaded;
  loaded.model = make(std::move(config), weights);
  weights.finish();
  loaded.weight_bytes = weights.total_bytes();
  if (kernels::computes_on_cpu()) loaded.files = weights.maps();
  return loaded;
}

}  // namespace glimt
