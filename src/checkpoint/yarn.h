// Rotary frequencies (https://arxiv.org/abs/2104.09864), optionally stretched by YaRN
// (https://arxiv.org/abs/2309.00071, as transformers' modeling_rope_utils._compute_yarn_parameters computes it).
#pragma once

#include <optional>
#include <vector>

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

  bool operator==(const YarnScaling&) const = default;
};

// 0.1 · mscale · ln(factor) + 1 for factor > 1, else 1: how YaRN sharpens attention.
double yarn_mscale(double factor, double mscale);

// What the rotated vectors are multiplied by.
double yarn_magnitude(const YarnScaling& yarn);

// [dims / 2]: the angle of a pair of dimensions is position · frequency.
std::vector<float> rotary_frequencies(int dims, double theta, const std::optional<YarnScaling>& yarn);

}  // namespace glimt
