// The table of operations of an NVIDIA GPU: the plain definitions, with kernels of ours in place of those that they
// serve badly.
//
// The kernels go through MLX's precompiled_cuda_kernel, which both builds of MLX export: one program runs on the CPU's
// library and on the CUDA one, and nothing of CUDA is needed to build it. MLX copies and hashes the image at every
// call, some microseconds, so an image holds one kernel for one architecture.
#pragma once

#include "kernels/ops.h"

namespace glimt::kernels {

// Whether MLX sees a CUDA device that this program carries images for.
bool has_cuda_kernels();

// REQUIRES has_cuda_kernels().
const Ops& cuda_ops();

namespace cuda {

// As experts of kernels.h, in two kernels, for decode steps (at most kMostTokens) with affine 4-bit weights in groups
// of 64, scales and biases in bfloat16; all else goes to the plain definition.
constexpr int kMostTokens = 8;
mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w);

bool fits_experts(const mx::array& x, const mx::array& indices, const ExpertWeights& w);

}  // namespace cuda
}  // namespace glimt::kernels
