#include "convert/gguf_recipe.h"

#include "checkpoint/gguf_blocks.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <tuple>

namespace glimt::convert {
namespace {

constexpr std::string_view kWeight = ".weight";

// The router and what has one dimension stay floats.
bool is_matrix(const std::string& name, const GgufEntry& entry) {
  return entry.shape.size() > 1 && name.ends_with(kWeight);
}

std::string path_of(const std::string& name) { return name.substr(0, name.size() - kWeight.size()); }

// Where the scales of 16 values, or a code book, are lost. Rounding to b bits of a group of 32 has an error of some 2^-b
// of the group's range.
int bits_instead(GgufType type) {
  switch (type) {
    case GgufType::q2_k: return 4;
    case GgufType::q3_k: return 5;
    case GgufType::iq4_nl:
    case GgufType::iq4_xs: return 6;
    case GgufType::q6_k: return 8;
    default: return 0;
  }
}

std::optional<Quantization> nearest(GgufType type) {
  if (const auto same = gguf_groups(type)) return same;
  const int bits = bits_instead(type);
  return bits > 0 ? std::optional(Quantization{QuantMode::affine, bits, 32}) : std::nullopt;
}

std::string describe(const std::optional<Quantization>& q) {
  return q ? fmt::format("{} {} bits group {}", to_string(q->mode), q->bits, q->group_size) : "floats";
}

}  // namespace

Recipe gguf_recipe(const GgufModel& model) {
  Recipe recipe{.name = "", .help = "", .lines = {}};
  for (const auto& [name, entry] : model.tensors()) {
    if (is_matrix(name, entry)) recipe.lines.push_back({path_of(name), nearest(entry.type)});
  }
  recipe.lines.push_back({"*", std::nullopt});
  return recipe;
}

std::vector<GgufUse> gguf_uses(const GgufModel& model, const Recipe& recipe) {
  std::map<std::tuple<GgufType, std::string, bool>, std::size_t> counts;
  for (const auto& [name, entry] : model.tensors()) {
    if (!is_matrix(name, entry)) continue;
    const std::optional<Quantization> choice = choice_for(recipe, path_of(name), entry.shape.back());
    const bool is_float = info_of(entry.type).block == 1;
    const bool carried = choice ? choice == gguf_groups(entry.type) : is_float;
    ++counts[{entry.type, describe(choice), carried}];
  }
  std::vector<GgufUse> uses;
  for (const auto& [key, count] : counts) {
    const auto& [type, becomes, carried] = key;
    uses.push_back({std::string(info_of(type).name), becomes, carried, count});
  }
  return uses;
}

}  // namespace glimt::convert
