// Sessions, a proxy and replicas in virtual time.
#pragma once

#include "simulation/balancer.h"
#include "simulation/replica.h"
#include "simulation/report.h"
#include "simulation/trace.h"

#include <cstdint>
#include <vector>

namespace glimt::simulation {

struct SimulationOptions {
  int replicas = 1;
  ReplicaOptions replica = {};
  BalancerOptions balancer = {};
  double warm_up = 600;   // seconds; requests that arrive before are computed and not counted
  double seconds = 3600;  // so long sessions ask; what was asked is answered
  std::uint64_t seed = 1;
};

// What became of one request. Every request that was asked has exactly one.
struct Outcome {
  std::size_t session = 0;
  int turn = 0;
  int replica = -1;  // that answered or refused it last
  double arrival = 0, first_token = 0, end = 0;
  int prompt = 0;
  int cached = 0;  // tokens of the prompt that the prefix cache had
  int tokens = 0;  // of the answer that came
  bool rejected = false;
};

struct Result {
  Report report;
  std::vector<Outcome> outcomes;  // by arrival
};

// A session whose request is rejected ends. Deterministic. Throws what StepSeconds and Scheduler throw.
Result simulate(const std::vector<Session>& sessions, const StepSeconds& seconds, const SimulationOptions& options);

}  // namespace glimt::simulation
