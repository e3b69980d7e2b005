// The rotary position embedding that a configuration asks for, as the kernels take it.
#pragma once

#include "checkpoint/yarn.h"
#include "kernels/rotary.h"

#include <optional>

namespace glimt {

// `interleaved`: rotates the pairs (2i, 2i + 1), else (i, i + dims / 2). `round_frequencies`: to bfloat16, which is
// what transformers computes with after model.to(torch.bfloat16); only for comparison with such numbers.
kernels::Rotary make_rotary(int dims, double theta, bool interleaved, const std::optional<YarnScaling>& yarn,
                            bool round_frequencies = false);

}  // namespace glimt
