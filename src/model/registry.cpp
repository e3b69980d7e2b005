#include "model/registry.h"

#include "base/error.h"
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/table.h"
#include "model/glm4_moe_lite.h"

namespace glimt {
namespace {

using Factory = std::unique_ptr<CausalLm> (*)(Config, Weights&, mx::Dtype activations, kernels::RowType rows);

std::unique_ptr<CausalLm> make_glm4_moe_lite(Config config, Weights& weights, mx::Dtype activations,
                                             kernels::RowType rows) {
  return std::make_unique<Glm4MoeLite>(std::move(config), weights, activations, rows);
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
  Weights weights(folder, config.quantization);
  cpu::table();  // says here what is wrong with GLIMT_CPU_ISA: a kernel's thread has nobody to say it to
  cpu::set_exact(options.exact);
  const bool gpu = mx::default_device() != mx::Device::cpu;
  const mx::Dtype activations = gpu && !options.exact ? mx::bfloat16 : mx::float32;
  const auto rows = options.exact ? kernels::RowType::f32 : kernels::RowType::bf16;
  LoadedModel loaded;
  loaded.model = make(std::move(config), weights, activations, rows);
  weights.finish();
  loaded.weight_bytes = weights.total_bytes();
  if (!gpu) loaded.files = weights.maps();
  return loaded;
}

}  // namespace glimt
