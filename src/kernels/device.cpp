#include "kernels/device.h"

#include "base/error.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/ops.h"
#include "kernels/plain_ops.h"
#include "kernels/plain_state.h"

#include <mlx/backend/gpu/device_info.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <variant>

namespace glimt::kernels {
namespace {

const Ops& gpu_ops() { return has_cuda_kernels() ? cuda_ops() : plain_ops(); }

const Ops& chosen_ops(MlaForm form) {
  const char* wanted = std::getenv("GLIMT_BACKEND");
  if (wanted == nullptr || *wanted == '\0') return computes_on_cpu() ? cpu_ops(form) : gpu_ops();
  if (std::string_view(wanted) == "mlx") return plain_ops();
  if (std::string_view(wanted) == "cpu") {
    if (!computes_on_cpu()) fail(ErrorKind::invalid_request, "GLIMT_BACKEND", "cpu needs --device cpu");
    return cpu_ops(form);
  }
  fail(ErrorKind::invalid_request, "GLIMT_BACKEND", "must be cpu or mlx, got '{}'", wanted);
}

// What MLX says about its GPU under this name; nothing where it does not say it.
template <typename T>
T gpu_value(const char* name) {
  const auto& info = mx::gpu::device_info();
  const auto found = info.find(name);
  const T* value = found == info.end() ? nullptr : std::get_if<T>(&found->second);
  return value == nullptr ? T{} : *value;
}

}  // namespace

Device::Device(const Ops& ops, bool exact)
    : Device(ops, exact, exact || computes_on_cpu() ? mx::float32 : mx::bfloat16) {}

Device::Device(const Ops& ops, bool exact, mx::Dtype activations)
    : ops_(&ops),
      exact_(exact),
      activations_(activations),
      queue_(std::make_shared<KernelQueue>()),
      plain_state_(std::make_shared<plain::State>()) {}

std::vector<const Ops*> all_ops() { return {&plain_ops(), &cpu_ops()}; }

Device Device::choose(bool exact, bool expand_prompts) {
  return {chosen_ops(expand_prompts ? MlaForm::automatic : MlaForm::absorbed), exact};
}

int Device::prefill_rows() const { return ops_->prefill_rows; }

bool computes_on_cpu() { return mx::default_device() == mx::Device::cpu; }

GpuMemory gpu_memory() {
  const std::size_t total = std::max(gpu_value<std::size_t>("total_memory"), gpu_value<std::size_t>("memory_size"));
  const std::size_t free = gpu_value<std::size_t>("free_memory");
  return {total, free > 0 ? free : total - std::min(total, mx::get_active_memory())};  // Metal does not tell
}

std::string gpu_name() { return gpu_value<std::string>("device_name"); }

bool host_memory() { return computes_on_cpu() && !mx::is_available(mx::Device(mx::Device::gpu)); }

}  // namespace glimt::kernels
