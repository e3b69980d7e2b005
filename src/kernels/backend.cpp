#include "kernels/primitive.h"

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

// The outputs of two to four kernels of a prefill of 512 tokens, each of which takes milliseconds.
constexpr std::size_t kMostAhead = std::size_t{16} << 20;
std::atomic<std::size_t> g_outputs_ahead{0};

}  // namespace

Backend backend() { return chosen_backend(); }

void set_backend(Backend backend) { chosen_backend() = backend; }

double kernel_seconds() { return static_cast<double>(g_kernel_nanoseconds.load()) * 1e-9; }

void add_kernel_time(std::chrono::steady_clock::duration time) {
  g_kernel_nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

void begin_outputs(std::size_t bytes) {
  for (std::size_t ahead = g_outputs_ahead.load(); ahead > kMostAhead; ahead = g_outputs_ahead.load()) {
    g_outputs_ahead.wait(ahead);
  }
  g_outputs_ahead += bytes;
}

void finish_outputs(std::size_t bytes) {
  g_outputs_ahead -= bytes;
  g_outputs_ahead.notify_all();
}

double evaluate(std::vector<mx::array> arrays) {
  mx::eval(std::move(arrays));
  return kernel_seconds();
}

}  // namespace glimt::kernels
