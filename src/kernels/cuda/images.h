// The compiled CUDA kernels that this program carries: one image for each kernel and architecture. `make cuda` makes
// them; a program that was built without has none.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace glimt::kernels::cuda {

struct Image {
  std::string_view kernel;        // "experts_down"
  std::string_view architecture;  // "sm_90a"
  std::string_view bytes;         // a cubin
};

std::span<const Image> images();  // generated: cmake/GlimtCuda.cmake

// The architecture among those of nvcc whose images run on a device, for what MLX calls the device's: "sm_90" runs
// sm_90a's, "sm_86" and "sm_89" sm_80's, "sm_121" sm_120's. Empty where none does.
std::string_view image_architecture(std::string_view device_architecture);

// The image of a kernel for a device; empty where there is none. MLX wants a string, so it is kept as one.
const std::string& image(std::string_view kernel, std::string_view device_architecture);

}  // namespace glimt::kernels::cuda
