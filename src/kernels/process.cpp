#include "kernels/process.h"

#include "base/error.h"
#include "kernels/cpu/bandwidth.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/device.h"

#include <mlx/mlx.h>

#include <algorithm>
#include <cstdlib>

namespace glimt::kernels {

static_assert(kMostThreads == cpu::kMostThreads);

void set_process_threads(int count) { cpu::set_threads(count); }

int process_threads() { return cpu::threads(); }

void set_process_device(std::string_view name) {
  const char* variable = std::getenv("GLIMT_DEVICE");
  const bool asked = !name.empty();
  if (!asked && variable != nullptr) name = variable;
  if (name.empty()) return;
  const char* const where = asked ? "--device" : "GLIMT_DEVICE";
  if (name != "cpu" && name != "gpu") fail(ErrorKind::invalid_request, where, "must be cpu or gpu, got '{}'", name);
  const mx::Device device(name == "gpu" ? mx::Device::gpu : mx::Device::cpu);
  if (!mx::is_available(device)) {
    fail(ErrorKind::invalid_request, where, "{} is not there: MLX's library sees none", name);
  }
  mx::set_default_device(device);
}

void set_process_exact() { setenv("MLX_ENABLE_TF32", "0", 1); }

bool process_uses_gpu() { return !computes_on_cpu(); }

std::string process_device() {
  if (computes_on_cpu()) return fmt::format("CPU, {}, {} threads", process_instruction_set(), process_threads());
  return fmt::format("GPU, {}, {:.1f} GB", gpu_name(), static_cast<double>(gpu_memory().total) / 1e9);
}

void set_process_buffer_cache(std::size_t bytes) { mx::set_cache_limit(bytes); }

std::size_t process_buffer_cache() {
  constexpr std::size_t kOnCpu = std::size_t{256} << 20;
  return computes_on_cpu() ? kOnCpu : std::max(kOnCpu, gpu_memory().total / 20);
}

std::string_view process_instruction_set() { return cpu::isa().name; }

double measure_read_bandwidth() { return cpu::measure_read_bandwidth(); }

}  // namespace glimt::kernels
