// config.json of a converted model, as mlx-lm writes it.
#pragma once

#include "base/json.h"
#include "convert/plan.h"

#include <string>
#include <vector>

namespace glimt::convert {

// The source's fields, sorted by name, with `quantization` and its copy `quantization_config`: what most weights have,
// and an entry for each matrix that has something else. Without both where nothing is quantized.
json::object made_config(const json::object& source, const std::vector<Unit>& units);

// As Python's json.dump(indent=4) writes it, but for letters outside of ASCII, which stay as they are.
std::string indented(const json::value& value);

}  // namespace glimt::convert
