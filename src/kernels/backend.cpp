#include "kernels/kernels.h"

#include "base/error.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace glimt::kernels {
namespace {

Backend initial_backend() {
  const char* wanted = std::getenv("GLIMT_BACKEND");
  if (wanted != nullptr && *wanted != '\0') {
    if (std::string_view(wanted) == "mlx") return Backend::mlx;
    if (std::string_view(wanted) == "cpu") return Backend::cpu;
    fail(ErrorKind::invalid_request, "GLIMT_BACKEND", "must be cpu or mlx, got '{}'", wanted);
  }
  return mx::default_device() == mx::Device::cpu ? Backend::cpu : Backend::mlx;
}

std::atomic<Backend>& chosen_backend() {
  static std::atomic<Backend> backend = initial_backend();
  return backend;
}

std::atomic<std::int64_t> g_kernel_nanoseconds{0};

}  // namespace

Backend backend() { return chosen_backend(); }

void set_backend(Backend backend) { chosen_backend() = backend; }

double kernel_seconds() { return static_cast<double>(g_kernel_nanoseconds.load()) * 1e-9; }

void add_kernel_time(std::chrono::steady_clock::duration time) {
  g_kernel_nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

double evaluate(std::vector<mx::array> arrays) {
  mx::eval(std::move(arrays));
  return kernel_seconds();
}

}  // namespace glimt::kernels
