#include "kernels/device.h"

#include "base/error.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/ops.h"
#include "kernels/plain_ops.h"

#include <cstdlib>
#include <string_view>

namespace glimt::kernels {
namespace {

const Ops& gpu_ops() { return has_cuda_kernels() ? cuda_ops() : plain_ops(); }

const Ops& chosen_ops() {
  const char* wanted = std::getenv("GLIMT_BACKEND");
  if (wanted == nullptr || *wanted == '\0') return computes_on_cpu() ? cpu_ops() : gpu_ops();
  if (std::string_view(wanted) == "mlx") return plain_ops();
  if (std::string_view(wanted) == "cpu") return cpu_ops();
  fail(ErrorKind::invalid_request, "GLIMT_BACKEND", "must be cpu or mlx, got '{}'", wanted);
}

}  // namespace

Device::Device(const Ops& ops, bool exact)
    : ops_(&ops),
      exact_(exact),
      activations_(exact || computes_on_cpu() ? mx::float32 : mx::bfloat16),
      queue_(std::make_shared<KernelQueue>()) {}

std::vector<const Ops*> all_ops() { return {&plain_ops(), &cpu_ops()}; }

Device Device::choose(bool exact) { return {chosen_ops(), exact}; }

bool computes_on_cpu() { return mx::default_device() == mx::Device::cpu; }

bool host_memory() { return computes_on_cpu() && !mx::is_available(mx::Device(mx::Device::gpu)); }

}  // namespace glimt::kernels
