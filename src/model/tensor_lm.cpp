#include "model/tensor_lm.h"

#include <chrono>

namespace glimt {

void TensorLm::join(std::shared_ptr<RemoteShares> shares) {
  shares_ = std::move(shares);
  set_ranks(shares_);
}

// The others observe nothing: rank 0 has the sums.
mx::array TensorLm::over_ranks(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                               const Observer& observe, StageTimes& times) const {
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t sums_before = sums_->count();
  const double summing_before = sums_->seconds();
  shares_->begin(pool.id(), {step}, false);
  const Residual first = embedded(ids);
  shares_->send(first.h);
  const mx::array hidden = layers().forward(first, pool, step, observe).normed(norm()).norm;
  kernels::evaluate({hidden});
  sums_->check();
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  times.sums += sums_->count() - sums_before;
  times.summing += sums_->seconds() - summing_before;
  times.computing[0] += took - (sums_->seconds() - summing_before);
  const std::vector<double> others = shares_->seconds();
  for (std::size_t i = 0; i < others.size(); ++i) times.computing.at(i + 1) += others[i];
  return hidden;
}

}  // namespace glimt
