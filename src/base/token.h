#pragma once

#include <cstdint>

namespace glimt {

// An index into the model's vocabulary, as in tokenizer.json. Signed 32 bits, which is also MLX's index type.
using TokenId = std::int32_t;

}  // namespace glimt
