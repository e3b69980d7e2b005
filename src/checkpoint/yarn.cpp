#include "checkpoint/yarn.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace glimt {

namespace {

// The (fractional) pair of dimensions that turns `rotations` times within the original context.
double dimension_of(double rotations, int dims, double theta, const YarnScaling& yarn) {
  return dims * std::log(yarn.original_max_position_embeddings / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(theta));
}

std::vector<float> plain_frequencies(int dims, double theta) {
  std::vector<float> frequencies;
  frequencies.reserve(static_cast<std::size_t>(dims / 2));
  for (int i = 0; i < dims / 2; ++i) frequencies.push_back(static_cast<float>(1 / std::pow(theta, 2.0 * i / dims)));
  return frequencies;
}

// Slow pairs are interpolated by `factor`, fast ones are kept, the ones between are mixed along a ramp.
std::vector<float> yarn_frequencies(int dims, double theta, const YarnScaling& yarn) {
  double low = dimension_of(yarn.beta_fast, dims, theta, yarn);
  double high = dimension_of(yarn.beta_slow, dims, theta, yarn);
  if (yarn.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dims - 1.0);
  if (low == high) high += 0.001;
  std::vector<float> frequencies;
  frequencies.reserve(static_cast<std::size_t>(dims / 2));
  for (int i = 0; i < dims / 2; ++i) {
    const double period = std::pow(theta, 2.0 * i / dims);
    const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
    frequencies.push_back(static_cast<float>(ramp / (yarn.factor * period) + (1 - ramp) / period));
  }
  return frequencies;
}

}  // namespace

double yarn_mscale(double factor, double mscale) { return factor > 1 ? 0.1 * mscale * std::log(factor) + 1 : 1; }

double yarn_magnitude(const YarnScaling& yarn) {
  if (yarn.attention_factor) return *yarn.attention_factor;
  if (yarn.mscale == 0 || yarn.mscale_all_dim == 0) return yarn_mscale(yarn.factor, 1);
  return yarn_mscale(yarn.factor, yarn.mscale) / yarn_mscale(yarn.factor, yarn.mscale_all_dim);
}

std::vector<float> rotary_frequencies(int dims, double theta, const std::optional<YarnScaling>& yarn) {
  return yarn && yarn->factor > 1 ? yarn_frequencies(dims, theta, *yarn) : plain_frequencies(dims, theta);
}

}  // namespace glimt
