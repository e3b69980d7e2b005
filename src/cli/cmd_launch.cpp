// glimt launch: one model on several processes or machines, started, watched and ended together.
#include "base/error.h"
#include "base/machine.h"
#include "cli/commands.h"
#include "launch/launcher.h"
#include "launch/ports.h"
#include "launch/remote_rank.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {
namespace {

using launch::Rank;
using launch::RankSettings;

// What a model is computed by. The other commands have nothing to share between ranks.
constexpr std::array<std::string_view, 7> kCommands = {"run", "serve", "bench", "compare", "eval", "perplexity", "kl"};
constexpr std::chrono::seconds kDrain{35};  // a server gives its answers 30 s
constexpr int kStartingPort = 32323;        // that of mlx.launch

struct LaunchArguments {
  std::optional<int> local;
  std::string hostfile;
  int starting_port = kStartingPort;
  std::string program;  // on the other machines
  double grace = 15;
  bool watch = false;
  std::vector<std::string> command;
};

void check(const LaunchArguments& arguments) {
  if (arguments.local.has_value() == !arguments.hostfile.empty()) {
    fail(ErrorKind::invalid_request, "launch", "either --local N or --hostfile FILE is wanted");
  }
  const std::string name = arguments.command.empty() ? "nothing" : fmt::format("'{}'", arguments.command.front());
  if (arguments.command.empty() ||
      std::find(kCommands.begin(), kCommands.end(), arguments.command.front()) == kCommands.end()) {
    fail(ErrorKind::invalid_request, "launch", "-- and one of {} is wanted, got {}", fmt::join(kCommands, ", "), name);
  }
}

Rank local_rank(const RankSettings& settings, const std::string& executable, const launch::RingFile& ring_file) {
  return {.name = fmt::format("rank {}", settings.rank),
          .program = launch::rank_program(settings, executable, ring_file)};
}

launch::Ring ring_on(const std::vector<std::uint16_t>& ports) {
  launch::Ring ring;
  ring.reserve(ports.size());
  for (const std::uint16_t port : ports) ring.push_back({fmt::format("127.0.0.1:{}", port)});
  return ring;
}

void launch_ranks(const LaunchArguments& arguments) {
  check(arguments);
  const launch::Hosts hosts =
      arguments.local ? launch::local_hosts(*arguments.local) : launch::read_host_file(arguments.hostfile);
  const bool alone = hosts.ranks.size() == 1;
  const launch::ReservedPorts ports(arguments.local && !alone ? *arguments.local : 0);
  RankSettings settings{.token = launch::random_token(),
                        .envs = hosts.envs,
                        .folder = std::filesystem::current_path().string(),
                        .command = arguments.command};
  if (!alone) {
    settings.ring = arguments.local ? ring_on(ports.ports())
                                    : launch::ring_of(hosts, static_cast<std::uint16_t>(arguments.starting_port));
  }
  const launch::RingFile ring_file(settings.ring);
  const std::string executable = executable_path().string();
  const std::string& there = arguments.program.empty() ? executable : arguments.program;
  std::vector<Rank> ranks;
  for (const launch::Host& host : hosts.ranks) {
    settings.rank = static_cast<int>(ranks.size());
    ranks.push_back(launch::is_this_machine(host.ssh) ? local_rank(settings, executable, ring_file)
                                                      : launch::remote_rank(settings, host.ssh, there));
  }
  launch::Patience patience;
  patience.grace = std::chrono::milliseconds(static_cast<int>(arguments.grace * 1000));
  if (arguments.command.front() == "serve") patience.drain = kDrain;
  if (const int status = launch::run_ranks(ranks, patience, STDERR_FILENO); status != 0) {
    throw CLI::RuntimeError(status);
  }
}

void run(const LaunchArguments& arguments) {
  if (!arguments.watch) return launch_ranks(arguments);
  if (const int status = launch::watch_rank(STDIN_FILENO, executable_path().string()); status != 0) {
    throw CLI::RuntimeError(status);
  }
}

}  // namespace

void add_launch_command(CLI::App& app) {
  auto arguments = std::make_shared<LaunchArguments>();
  CLI::App* command = app.add_subcommand("launch", "Run a command on several processes or machines that share a model");
  command
      ->add_option("command", arguments->command,
                   fmt::format("Behind --: {}, with its own options", fmt::join(kCommands, ", ")))
      ->type_name("COMMAND");
  command->add_option("--local", arguments->local, "As many ranks on this machine")
      ->check(CLI::Range(1, static_cast<int>(launch::kMostRanks)).description(""))
      ->type_name("N");
  command
      ->add_option("--hostfile", arguments->hostfile,
                   "Ranks on the machines of this file of mlx.launch; others by ssh, which must need no password")
      ->type_name("FILE");
  command
      ->add_option("--starting-port", arguments->starting_port,
                   "With --hostfile: the first port to listen on; one more for each address of each rank")
      ->check(CLI::Range(1, 65535).description(""))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--program", arguments->program, "glimt on the other machines (default: the path of this one)")
      ->type_name("PATH");
  command
      ->add_option("--grace", arguments->grace,
                   "Seconds that the other ranks may take to end by themselves once one has ended")
      ->check(CLI::Range(0.0, 3600.0).description(""))
      ->type_name("S")
      ->capture_default_str();
  command->add_flag(launch::kWatchOption, arguments->watch)->group("");  // what ssh calls on another machine
  command->footer(
      "Rank 0 is on this machine and has the standard input and output; what the ranks say goes to stderr with [RANK] "
      "in front. When one ends, all end; the status is that of the first that failed, or of rank 0.");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt
