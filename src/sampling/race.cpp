#include "sampling/race.h"

#include "sampling/softmax.h"

#include <cmath>
#include <limits>

namespace glimt {
namespace {

// The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection that passes BigCrush on a counter.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

class Race {
 public:
  explicit Race(const RaceNumbers& numbers) : numbers_(numbers) {}

  // The time is -log(1 - u) / weight, which is u / weight or more, so that most tokens need no logarithm.
  // A weight of 0 never wins.
  void enter(TokenId token, double weight) {
    const double u = numbers_.of(token);
    if (u > first_ * weight || weight == 0) return;
    const double time = -std::log1p(-u) / weight;
    if (time >= first_) return;
    first_ = time;
    winner_ = token;
  }

  TokenId winner() const { return winner_; }

 private:
  const RaceNumbers& numbers_;
  double first_ = std::numeric_limits<double>::infinity();
  TokenId winner_ = -1;
};

// A place in the order of likelihood: before it are the tokens with a larger weight, or the same one and a lower id.
struct Place {
  float weight;
  std::size_t id;
};

TokenId race_before(std::span<const float> weights, Place place, const RaceNumbers& numbers) {
  Race race(numbers);
  const auto enter = [&](std::size_t id, float weight) { race.enter(static_cast<TokenId>(id), weight); };
  for_groups_above(weights, 0, place.id, std::nextafter(place.weight, 0.0F), enter);
  for_groups_above(weights, place.id, weights.size(), place.weight, enter);
  return race.winner();
}

double mass_before(std::span<const float> weights, Place place) {
  return mass_above(weights.first(place.id), std::nextafter(place.weight, 0.0F)) +
         mass_above(weights.subspan(place.id), place.weight);
}

}  // namespace

RaceNumbers::RaceNumbers(std::uint64_t seed, std::size_t position) : numbers_(mix(mix(seed) ^ position)) {}

double RaceNumbers::of(TokenId token) const {
  return static_cast<double>(mix(numbers_ ^ (std::uint64_t{static_cast<std::uint32_t>(token)} << 32)) >> 11) * 0x1p-53;
}

TokenId race(Candidates candidates, const RaceNumbers& numbers) {
  Race race(numbers);
  for (const Candidate& candidate : candidates) race.enter(candidate.token, candidate.weight);
  return race.winner();
}

TokenId race_in_nucleus(std::span<const float> weights, double mass, float above, const RaceNumbers& numbers) {
  Place end{above, 0};
  for (;;) {
    const TokenId winner = race_before(weights, end, numbers);
    end = {weights[static_cast<std::size_t>(winner)], static_cast<std::size_t>(winner)};
    const double before = mass_before(weights, end);
    if (before == 0 || before < mass) return winner;  // the likeliest is in the nucleus, however little mass is wanted
  }
}

}  // namespace glimt
