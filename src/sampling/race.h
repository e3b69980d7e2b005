// How a token is drawn: by an exponential race. Internal to the sampler.
//
// Each token arrives after a time that is exponentially distributed with its weight as the rate; the first one wins,
// which is token t with a probability in proportion to its weight. The times are functions of a seed, a position and
// the token.
#pragma once

#include "sampling/candidates.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace glimt {

// The random numbers of one position.
class RaceNumbers {
 public:
  RaceNumbers(std::uint64_t seed, std::size_t position);
  double of(TokenId token) const;  // in [0, 1)

 private:
  std::uint64_t numbers_;
};

// REQUIRES: a candidate.
TokenId race(Candidates candidates, const RaceNumbers& numbers);

// The same winner as race(keep_nucleus(all tokens, mass)), without finding out which tokens these are: the winner of a
// race of all mostly is one of them, and if not, then those likelier than it hold the mass and race again. `above`: a
// weight below those of the nucleus; 0 will do. REQUIRES: weights as those of softmax_weights, mass >= 0.
TokenId race_in_nucleus(std::span<const float> weights, double mass, float above, const RaceNumbers& numbers);

}  // namespace glimt
