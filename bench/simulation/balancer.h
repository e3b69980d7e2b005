// Which replica a request is sent to, as HAProxy decides it with packaging/haproxy/glimt.cfg.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace glimt::simulation {

enum class Balance {
  round_robin,  // each in turn
  hash,         // a consistent hash of the conversation
};

struct BalancerOptions {
  Balance balance = Balance::hash;
  int factor = 0;  // hash-balance-factor: a replica with so many hundredths of the mean of the requests that run passes
                   // new ones on to the next of the ring; 0: none does
};

// Used by one thread.
class Balancer {
 public:
  Balancer(BalancerOptions options, int replicas);

  // The replicas to ask for this conversation, the first one first: another one is asked when a full one refuses.
  // `running`: the requests that each replica has.
  std::vector<int> order(std::uint64_t conversation, const std::vector<int>& running);

 private:
  bool has_a_slot(int replica, const std::vector<int>& running) const;

  BalancerOptions options_;
  int replicas_;
  int turn_ = 0;
  std::map<std::uint64_t, int> ring_;  // 1,600 places a replica: a weight of 100
};

}  // namespace glimt::simulation
