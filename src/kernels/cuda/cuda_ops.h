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

// Each computes what kernels.h says; where the form is not one that its kernels have, the plain definition does.

// In two kernels: decode steps of at most kMostTokens tokens with affine 4-bit weights in groups of 64, scales and
// biases in bfloat16, gate and up joined.
constexpr int kMostTokens = 8;
mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w);
bool fits_experts(const mx::array& x, const mx::array& indices, const ExpertWeights& w);

// In one kernel: experts in one group, at most 1,024 of them.
Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options);

// In one kernel: bfloat16.
SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps);

// Norm, rotation and the storing of cache rows in one kernel, for decode steps in bfloat16 whose sequences have their
// cache rows one behind the other. The attention is the plain one.
mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& rows,
              const StepPtr& step);

}  // namespace cuda
}  // namespace glimt::kernels
