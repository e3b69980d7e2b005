// The flag that says where a model computes.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace glimt {

struct DeviceFlag {
  void add_to(CLI::App& command);

  // To be called before a model is loaded. exact: products in float32 are not rounded on a GPU either.
  void use(bool exact = false) const;

  std::string name;  // "cpu", "gpu"; empty: GLIMT_DEVICE, or what there is
};

}  // namespace glimt
