#include "convert/recipe.h"

#include "base/error.h"

#include <algorithm>

namespace glimt::convert {
namespace {

constexpr const char* kRouter = "*.mlp.gate";
constexpr const char* kExperts = "*.mlp.switch_mlp.*";

Quantization affine(int bits) { return {QuantMode::affine, bits, 64}; }

}  // namespace

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> all = {
      {"balanced",
       "experts 4 bits, all else 8",
       {{kRouter, std::nullopt}, {kExperts, affine(4)}, {"*", affine(8)}},
       true},
      {"small", "experts 3 bits, all else 8", {{kRouter, std::nullopt}, {kExperts, affine(3)}, {"*", affine(8)}}, true},
      {"uniform4", "all 4 bits", {{kRouter, std::nullopt}, {"*", affine(4)}}, true},
  };
  return all;
}

const Recipe& recipe_named(std::string_view name) {
  std::string names;
  for (const Recipe& recipe : recipes()) {
    if (recipe.name == name) return recipe;
    names += (names.empty() ? "" : ", ") + recipe.name;
  }
  fail(ErrorKind::invalid_request, "--recipe", "one of {} is wanted, got '{}'", names, name);
}

Recipe uniform_recipe(const Quantization& quantization) {
  return {.name = "", .help = "", .lines = {{kRouter, std::nullopt}, {"*", quantization}}};
}

Recipe float_recipe() { return {.name = "", .help = "", .lines = {{"*", std::nullopt}}}; }

Quantization quantization_for(QuantMode mode, int bits, int group_size) {
  Quantization q{mode, 4, 64};
  if (mode != QuantMode::affine) q.group_size = mode == QuantMode::nvfp4 ? 16 : 32;
  if (mode == QuantMode::mxfp8) q.bits = 8;
  if (bits != 0) q.bits = bits;
  if (group_size != 0) q.group_size = group_size;
  if (is_valid(q)) return q;
  fail(ErrorKind::invalid_request, "--quantize",
       "MLX has no {} with {} bits in groups of {}: it has affine with 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 or "
       "128, mxfp4 and mxfp8 in groups of 32, nvfp4 in groups of 16",
       to_string(mode), q.bits, q.group_size);
}

std::optional<Quantization> choice_for(const Recipe& recipe, std::string_view path, int columns) {
  const auto line = std::find_if(recipe.lines.begin(), recipe.lines.end(),
                                 [&](const RecipeLine& one) { return matches(one.pattern, path); });
  if (line == recipe.lines.end() || !line->quantization) return std::nullopt;
  Quantization q = *line->quantization;
  constexpr int kSmallestGroup = 32;
  if (columns % q.group_size != 0 && recipe.smaller_groups) q.group_size = kSmallestGroup;
  return columns % q.group_size == 0 ? std::optional(q) : std::nullopt;
}

bool matches(std::string_view pattern, std::string_view text) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (text.substr(0, star) != pattern.substr(0, star)) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t at = star; at <= text.size(); ++at) {
    if (matches(rest, text.substr(at))) return true;
  }
  return false;
}

}  // namespace glimt::convert
