// The definitions of kernels.h in plain MLX operations, each beside its operation (linear.cpp and so on), as
// plain_ops.cpp puts them into a table. Arrays are in the dtype of `x`.
#pragma once

#include "kernels/array_rows.h"
#include "kernels/kernels.h"

#include <memory>
#include <vector>

namespace glimt::kernels::plain {

// x · wᵀ for a single matrix.
mx::array matmul(const mx::array& x, const Weight& w);

// What `mla` multiplies with, as arrays of this dtype. Evaluated.
DenseHeads dense_heads(const MlaWeights& w, mx::Dtype dtype);

// A weight as these definitions take it without work in each step: aligned, plain values and affine scales as `dtype`,
// where the device reads them. Evaluated.
Weight prepared(const Weight& w, mx::Dtype dtype);

std::vector<mx::array> linear(const Device& device, const mx::array& x, const std::vector<WeightPtr>& weights);
mx::array embedding(const Device& device, const mx::array& ids, const WeightPtr& table, mx::Dtype dtype);
mx::array swiglu(const Device& device, const mx::array& x, const SwiGluPtr& w);
mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w);
Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options);
mx::array rms_norm(const Device& device, const mx::array& x, const mx::array& weight, float eps);
SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps);

// The second half of `mla`: queries [N, H, 1, nope + rope], turned to their positions, attend to the cache rows, the new
// ones among them, in the form of the device's table.
mx::array attend(const Device& device, const mx::array& queries, const MlaWeights& w, const DenseHeads& heads,
                 const ArrayRows& rows, const StepPtr& step);

mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& rows,
              const StepPtr& step);

std::unique_ptr<PagedRows> make_rows(RowType type, int width, int blocks);  // array_rows.cpp

}  // namespace glimt::kernels::plain
