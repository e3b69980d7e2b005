// The operations of kernels.h on our CPU kernels, each an MLX Primitive in a file of its own, as ops.cpp puts them into
// a table. Activations are float32.
#pragma once

#include "kernels/kernels.h"

#include <memory>
#include <vector>

namespace glimt::kernels::on_cpu {

std::vector<mx::array> linear(const Device& device, const mx::array& x, const std::vector<WeightPtr>& weights);
mx::array embedding(const Device& device, const mx::array& ids, const WeightPtr& table, mx::Dtype dtype);
mx::array swiglu(const Device& device, const mx::array& x, const SwiGluPtr& w);
mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w);
Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options);
mx::array rms_norm(const Device& device, const mx::array& x, const mx::array& weight, float eps);
SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps);
mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& rows,
              const StepPtr& step);

}  // namespace glimt::kernels::on_cpu
