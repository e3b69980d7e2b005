// Answers what replicas would do with a trace: latencies, hits, memory, rejections. docs/SCALING.md has results.
#include "base/error.h"
#include "simulation/simulation.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glimt::simulation {
namespace {

struct Arguments {
  std::string costs;
  std::string trace;  // a file; else one is made
  std::vector<int> replicas = {1};
  double rate = 0.01;  // sessions a second for each replica
  TraceOptions made;
  SimulationOptions options;
  bool json = false;
};

void add_options(CLI::App& app, Arguments& a) {
  app.add_option("costs", a.costs, "What bench/step_costs.py has measured")->required()->check(CLI::ExistingFile);
  app.add_option("--trace", a.trace, "Requests, one JSON object a line (default: made sessions)");
  app.add_option("--replicas", a.replicas, "Numbers of replicas")->delimiter(',')->check(CLI::Range(1, 1024));
  app.add_option("--rate", a.rate, "New sessions a second for each replica")->check(CLI::Range(1e-6, 1e3));
  app.add_option("--agents", a.made.agents, "Share of agents among the sessions")->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", a.made.seed, "Of the sessions, and of which guesses stand");
  app.add_option("--seconds", a.options.seconds, "How long clients ask")->check(CLI::Range(1.0, 1e7));
  app.add_option("--warm-up", a.options.warm_up, "Requests of so many seconds are not counted")
      ->check(CLI::Range(0.0, 1e7));
  app.add_option("--parallel", a.options.replica.parallel, "As of glimt serve")->check(CLI::Range(1, 1024));
  app.add_option("--queue", a.options.replica.queue, "As of glimt serve")->check(CLI::Range(1, 100'000));
  app.add_option("--step-time", a.options.replica.step_time, "As of glimt serve, in seconds; 0: no limit")
      ->check(CLI::Range(0.0, 60.0));
  app.add_option("--cache-memory", a.options.replica.cache_bytes, "Bytes of each replica's cache")
      ->check(CLI::Range(1e6, 1e13));
  app.add_option("--acceptance", a.options.replica.acceptance, "How often a guess of an MTP layer stands; 0: no layer")
      ->check(CLI::Range(0.0, 0.99));
  const std::map<std::string, Balance> balances = {{"round-robin", Balance::round_robin}, {"hash", Balance::hash}};
  app.add_option("--balance", a.options.balancer.balance, "hash of the conversation, or round-robin")
      ->transform(CLI::CheckedTransformer(balances));
  app.add_option("--balance-factor", a.options.balancer.factor, "hash-balance-factor of HAProxy; 0: none")
      ->check(CLI::Range(0, 100'000));
  app.add_flag("--json", a.json, "One JSON object for each number of replicas");
}

void run(Arguments arguments) {
  const StepSeconds seconds = StepSeconds::from_file(arguments.costs);
  if (!arguments.json) fmt::print("{}\n{}\n", seconds.about(), table_head());
  for (const int replicas : arguments.replicas) {
    arguments.made.seconds = arguments.options.seconds;
    arguments.made.sessions_a_second = arguments.rate * replicas;
    arguments.options.seed = arguments.made.seed;
    arguments.options.replicas = replicas;
    const std::vector<Session> sessions =
        arguments.trace.empty() ? make_trace(arguments.made) : read_trace(arguments.trace);
    const Report report = simulate(sessions, seconds, arguments.options).report;
    fmt::print("{}\n", arguments.json ? json_line(report) : table_row(report));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace glimt::simulation

int main(int argc, char** argv) {
  CLI::App app("Replicas of glimt serve behind a proxy, in virtual time.", "simulate");
  glimt::simulation::Arguments arguments;
  glimt::simulation::add_options(app, arguments);
  CLI11_PARSE(app, argc, argv);
  try {
    glimt::simulation::run(arguments);
    return 0;
  } catch (const glimt::Error& error) {
    fmt::print(stderr, "simulate: {}\n", error.what());
    return glimt::exit_code(error.kind());
  } catch (const std::exception& error) {
    fmt::print(stderr, "simulate: {}\n", error.what());
    return 1;
  }
}
