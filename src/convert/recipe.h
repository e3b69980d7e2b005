// Which matrices become what: a table of patterns of their names.
#pragma once

#include "kernels/quantization.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt::convert {

struct RecipeLine {
  std::string pattern;                       // of a matrix's path; '*' stands for any characters
  std::optional<Quantization> quantization;  // nullopt: floats
};

struct Recipe {
  std::string name;
  std::string help;
  std::vector<RecipeLine> lines;  // the first that matches counts; the last one matches all
  bool smaller_groups = false;    // where the columns are no multiple of the group, groups of 32 are tried
};

// The recipes by name, the default one first.
const std::vector<Recipe>& recipes();

// Throws invalid_request, which lists the names.
const Recipe& recipe_named(std::string_view name);

// What mlx_lm.convert makes: every matrix but the router like this.
Recipe uniform_recipe(const Quantization& quantization);

// Every matrix as floats.
Recipe float_recipe();

// What a mode of MLX means if nothing else is said. bits or group_size 0: the mode's own. Throws invalid_request for what
// MLX does not define.
Quantization quantization_for(QuantMode mode, int bits, int group_size);

// What the matrix `path` of so many columns becomes; nullopt: floats.
std::optional<Quantization> choice_for(const Recipe& recipe, std::string_view path, int columns);

bool matches(std::string_view pattern, std::string_view text);

}  // namespace glimt::convert
