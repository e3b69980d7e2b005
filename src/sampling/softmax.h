// The loops over all logits of a vocabulary. Internal to the sampler. They are written so that a compiler makes vector
// code of them, and their results are the same with and without it.
#pragma once

#include <cstddef>
#include <span>

namespace glimt {

// The one place that refuses broken logits: throws internal for NaN, +inf, or nothing but -inf.
float largest_logit(std::span<const float> logits);

// weights[i] = exp((logits[i] - largest) * sharpness), so that the likeliest token has weight 1 and a forbidden one
// (-inf) 0; what is below e^-87 becomes 0, too. Relative error 2e-7. Returns the sum. REQUIRES: largest is the largest
// logit, sharpness > 0 and finite, both spans of one size.
double softmax_weights(std::span<const float> logits, float largest, float sharpness, std::span<float> weights);

// The sum alone, for sharpness 1.
double softmax_sum(std::span<const float> logits, float largest);

// The sum of the weights that are larger than `weight`.
double mass_above(std::span<const float> weights, float weight);

}  // namespace glimt
