// What holds for the whole process and every model in it: the threads of our kernels, the instruction set, the memory
// that MLX keeps. `main` sets it once, before a model is loaded. Knows nothing of MLX.
#pragma once

#include <cstddef>
#include <string_view>

namespace glimt::kernels {

constexpr int kMostThreads = 1024;

// How many threads our CPU kernels use, the caller of a kernel among them. Without a call: one for each physical core
// that the process may run on. Waits for running work. Throws invalid_request unless 1 <= count <= kMostThreads; where
// the system refuses to start so many, those that started do the work.
void set_process_threads(int count);
int process_threads();

// Most bytes of freed buffers that MLX keeps for later ones.
void set_process_buffer_cache(std::size_t bytes);

// The instruction set of our CPU kernels. Throws unsupported where GLIMT_CPU_ISA names one that this CPU lacks.
std::string_view process_instruction_set();

// Bytes a second that the threads read from memory: the limit that a decode step is measured against. Takes some
// seconds.
double measure_read_bandwidth();

}  // namespace glimt::kernels
