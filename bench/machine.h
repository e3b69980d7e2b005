// What the machine can do at most, beside which the benchmarks' numbers stand.
#pragma once

#include <string_view>

namespace glimt::cpu {

// 8-bit multiply-adds a second of all the pool's threads, from registers to registers, with the instruction that the
// kernels of this instruction set use; 0 if it has none.
double measure_integer_peak(std::string_view isa);

// Runs the registered benchmarks, with isa, threads, read bandwidth and integer peak as context lines.
int run_benchmarks(int argc, char** argv);

}  // namespace glimt::cpu
