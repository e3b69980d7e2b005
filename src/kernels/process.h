// What holds for the whole process and every model in it: the threads of our kernels, the instruction set, the memory
// that MLX keeps. `main` sets it once, before a model is loaded. Knows nothing of MLX.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace glimt::kernels {

constexpr int kMostThreads = 1024;

// How many threads our CPU kernels use, the caller of a kernel among them. Without a call: one for each physical core
// that the process may run on. Waits for running work. Throws invalid_request unless 1 <= count <= kMostThreads; where
// the system refuses to start so many, those that started do the work.
void set_process_threads(int count);
int process_threads();

// Where models compute: "cpu", "gpu", or "" for what the environment variable GLIMT_DEVICE says, else a GPU where MLX's
// library sees one. Throws invalid_request for another name and where there is no GPU.
void set_process_device(std::string_view name);

// Products in float32 are computed as such; GPUs round their factors to 10 bits else. MLX asks once, before its first
// product.
void set_process_exact();

// Whether a GPU computes.
bool process_uses_gpu();

// What computes, for a person: "CPU, avx512, 2 threads", "GPU, NVIDIA H200, 143.8 GB".
std::string process_device();

// Most bytes of freed buffers that MLX keeps for later ones.
void set_process_buffer_cache(std::size_t bytes);

// As many as suit the device: reusing buffers spares page faults in every step; on a GPU a chunk of a prompt has larger
// ones, and freeing waits for the device.
std::size_t process_buffer_cache();

// The instruction set of our CPU kernels. Throws unsupported where GLIMT_CPU_ISA names one that this CPU lacks.
std::string_view process_instruction_set();

// Bytes a second that the threads read from memory: the limit that a decode step is measured against. Takes some
// seconds.
double measure_read_bandwidth();

}  // namespace glimt::kernels
