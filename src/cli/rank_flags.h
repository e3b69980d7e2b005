// The flags of a command whose model several processes may compute together.
#pragma once

#include "base/ranks.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <vector>

namespace glimt {

struct RankFlags {
  void add_to(CLI::App& command);

  // A group that breaks ends the process. Throws invalid_request for flags that mean nothing where it computes alone.
  RankOptions options() const;

  std::optional<Split> split;
  std::vector<int> layers;
  std::optional<double> step_limit;  // seconds
};

}  // namespace glimt
