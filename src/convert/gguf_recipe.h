// What the tensors of a GGUF file become.
#pragma once

#include "checkpoint/gguf_model.h"
#include "convert/recipe.h"

#include <cstddef>
#include <string>
#include <vector>

namespace glimt::convert {

// Each matrix as near to what the file has as MLX can: the same codes where its blocks are MLX's groups; affine groups
// of 32 with one or two bits more where they are not, which adds little error to theirs; floats where it has floats.
Recipe gguf_recipe(const GgufModel& model);

// What becomes of the matrices of one type.
struct GgufUse {
  std::string type;      // "Q6_K"
  std::string becomes;   // "affine 8 bits group 32", "floats"
  bool carried = false;  // code for code, or as the floats that they are
  std::size_t matrices = 0;
};

// In the order of the types' numbers. REQUIRES the recipe of the conversion.
std::vector<GgufUse> gguf_uses(const GgufModel& model, const Recipe& recipe);

}  // namespace glimt::convert
