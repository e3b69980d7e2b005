#include "cli/rank_flags.h"

#include "base/error.h"
#include "serving/follower.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace glimt {
namespace {

// Whoever waits for this process, a supervisor or the launcher, is to see that it ended, and why.
void end_process(const std::string& why) {
  fmt::print(stderr, "glimt: {}\n", why);
  std::fflush(nullptr);
  ::_exit(exit_code(ErrorKind::internal));
}

}  // namespace

void RankFlags::add_to(CLI::App& command) {
  command.option_defaults()->group("Several ranks");
  command
      .add_option_function<std::string>(
          "--split", [this](const std::string& name) { split = name == "tensor" ? Split::tensor : Split::pipeline; },
          "What each rank has: pipeline (default), some of the layers, or tensor, a part of every layer, for ranks "
          "that are close")
      ->check(CLI::IsMember({"pipeline", "tensor"}).description(""))
      ->type_name("HOW");
  command
      .add_option("--layers", layers, "Layers of each rank of a pipeline, e.g. 24,23 (default: as many bytes for each)")
      ->delimiter(',')
      ->type_name("N,N");
  command
      .add_option("--step-limit", step_limit,
                  "Give up when nothing was heard of a rank for so many seconds (default: 10)")
      ->type_name("S")
      ->check(CLI::Range(0.5, 3600.0).description(""));
  command.option_defaults()->group("Options");
}

RankOptions RankFlags::options() const {
  if (Engine::rank().size == 1 && (split || !layers.empty() || step_limit)) {
    fail(ErrorKind::invalid_request,
         split            ? "--split"
         : layers.empty() ? "--step-limit"
                          : "--layers",
         "is for a model that several ranks compute, and this process computes alone: MLX_HOSTFILE is not set");
  }
  RankOptions options;
  options.split = split.value_or(Split::pipeline);
  options.layers = layers;
  if (step_limit) options.step_limit = std::chrono::milliseconds(static_cast<std::int64_t>(1e3 * *step_limit));
  options.when_broken = end_process;
  return options;
}

}  // namespace glimt
