#include "kernels/process.h"

#include "kernels/cpu/bandwidth.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"

#include <mlx/mlx.h>

namespace glimt::kernels {

static_assert(kMostThreads == cpu::kMostThreads);

void set_process_threads(int count) { cpu::set_threads(count); }

int process_threads() { return cpu::threads(); }

void set_process_buffer_cache(std::size_t bytes) { mlx::core::set_cache_limit(bytes); }

std::string_view process_instruction_set() { return cpu::isa().name; }

double measure_read_bandwidth() { return cpu::measure_read_bandwidth(); }

}  // namespace glimt::kernels
