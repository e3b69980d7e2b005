#include "cli/device_flag.h"

#include "kernels/process.h"

namespace glimt {

void DeviceFlag::add_to(CLI::App& command) {
  command.add_option("--device", name, "Where the model computes: cpu or gpu (default: a GPU where MLX has one)")
      ->check(CLI::IsMember({"cpu", "gpu"}).description(""))
      ->type_name("DEVICE");
}

void DeviceFlag::use(bool exact) const {
  if (exact) kernels::set_process_exact();  // first: MLX must not have started
  kernels::set_process_device(name);
}

}  // namespace glimt
