#include "simulation/balancer.h"

#include <numeric>

namespace glimt::simulation {
namespace {

constexpr int kPlaces = 1600;
constexpr std::uint64_t kRing = 0x52494E47;  // keeps the places apart from conversations with small numbers

std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDU;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53U;
  return x ^ (x >> 33);
}

}  // namespace

Balancer::Balancer(BalancerOptions options, int replicas) : options_(options), replicas_(replicas) {
  for (int replica = 0; replica < replicas; ++replica) {
    for (int place = 0; place < kPlaces; ++place) {
      const auto number = static_cast<std::uint64_t>(replica) * kPlaces + static_cast<std::uint64_t>(place);
      ring_.emplace(mixed(mixed(number) ^ kRing), replica);
    }
  }
}

// The slots of all together are the requests that run, the new one included, times the factor.
bool Balancer::has_a_slot(int replica, const std::vector<int>& running) const {
  const std::int64_t all = std::accumulate(running.begin(), running.end(), std::int64_t{0});
  const std::int64_t slots = ((all + 1) * options_.factor + 99) / 100;
  const std::int64_t own = slots * (replica + 1) / replicas_ - slots * replica / replicas_;
  return running[static_cast<std::size_t>(replica)] < own;
}

std::vector<int> Balancer::order(std::uint64_t conversation, const std::vector<int>& running) {
  if (replicas_ == 1) return {0};
  if (options_.balance == Balance::round_robin) {
    const int first = turn_++ % replicas_;
    return {first, (first + 1) % replicas_};
  }
  // The first two different ones from the conversation's place on; those without a slot are passed over.
  std::vector<int> order;
  auto place = ring_.lower_bound(mixed(conversation));
  for (std::size_t i = 0; i < ring_.size() && order.size() < 2; ++i, ++place) {
    if (place == ring_.end()) place = ring_.begin();
    const bool is_known = !order.empty() && order.front() == place->second;
    if (is_known || (options_.factor > 0 && !has_a_slot(place->second, running))) continue;
    order.push_back(place->second);
  }
  return order;
}

}  // namespace glimt::simulation
