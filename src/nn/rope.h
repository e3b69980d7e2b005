// Rotary position embedding (https://arxiv.org/abs/2104.09864), optionally stretched by YaRN
// (https://arxiv.org/abs/2309.00071, as transformers' modeling_rope_utils._compute_yarn_parameters computes it).
#pragma once

#include "kernels/rotary.h"

#include <optional>

namespace glimt {

struct YarnScaling {
  double factor = 1.0;
  double original_max_position_embeddings = 4096;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  double mscale = 0.0;  // this and the next count where both are given, that is, not 0
  double mscale_all_dim = 0.0;
  std::optional<double> attention_factor = std::nullopt;  // in place of what follows from them
  bool truncate = true;  // the ramp between fast and slow pairs begins and ends at a whole pair
};

// 0.1 · mscale · ln(factor) + 1 for factor > 1, else 1: how YaRN sharpens attention.
double yarn_mscale(double factor, double mscale);

// What the rotated vectors are multiplied by.
double yarn_magnitude(const YarnScaling& yarn);

// `interleaved`: rotates the pairs (2i, 2i + 1), else (i, i + dims / 2). `round_frequencies`: to bfloat16, which is what
// transformers computes with after model.to(torch.bfloat16); only for comparison with such numbers.
kernels::Rotary make_rotary(int dims, double theta, bool interleaved, const std::optional<YarnScaling>& yarn,
                            bool round_frequencies = false);

}  // namespace glimt
