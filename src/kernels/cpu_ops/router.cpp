#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu_ops/cpu_ops.h"
#include "kernels/cpu_ops/primitive.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace glimt::kernels::on_cpu {
namespace {

// One token. NaN logits must not break the ordering: they end as NaN scores and a NaN result.
class TokenRouter {
 public:
  TokenRouter(const float* logits, const float* bias, int experts, const RouterOptions& options)
      : options_(options), scores_(static_cast<std::size_t>(experts)), choice_(scores_.size()) {
    for (std::size_t e = 0; e < scores_.size(); ++e) {
      scores_[e] = 1.0f / (1.0f + std::exp(-logits[e]));
      choice_[e] = scores_[e] + bias[e];
    }
    if (options_.groups > 1) exclude_weak_groups();
  }

  void pick(std::uint32_t* indices, float* weights) const {
    const auto k = static_cast<std::size_t>(options_.top_k);
    const std::vector<std::uint32_t> order = best(choice_, k);
    float sum = 0.0f;
    for (std::size_t j = 0; j < k; ++j) {
      indices[j] = order[j];
      weights[j] = scores_[order[j]];
      sum += weights[j];
    }
    const float factor = options_.normalize && k > 1 ? options_.scale / (sum + 1e-20f) : options_.scale;
    for (std::size_t j = 0; j < k; ++j) weights[j] *= factor;
  }

 private:
  static std::vector<std::uint32_t> best(const std::vector<float>& values, std::size_t count) {
    std::vector<std::uint32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0u);
    const auto key = [&](std::uint32_t i) {
      return std::isnan(values[i]) ? std::numeric_limits<float>::infinity() : values[i];
    };
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                      [&](std::uint32_t a, std::uint32_t b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
    order.resize(count);
    return order;
  }

  void exclude_weak_groups() {
    const auto groups = static_cast<std::size_t>(options_.groups);
    const std::size_t size = choice_.size() / groups;
    std::vector<float> worth(groups);
    for (std::size_t g = 0; g < groups; ++g) {
      const std::vector<float> members(choice_.begin() + static_cast<std::ptrdiff_t>(g * size),
                                       choice_.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
      for (const std::uint32_t i : best(members, 2)) worth[g] += members[i];
    }
    std::vector<bool> kept(groups);
    for (const std::uint32_t g : best(worth, static_cast<std::size_t>(options_.kept_groups))) kept[g] = true;
    for (std::size_t e = 0; e < choice_.size(); ++e) {
      if (!kept[e / size]) choice_[e] = -std::numeric_limits<float>::infinity();
    }
  }

  const RouterOptions& options_;
  std::vector<float> scores_, choice_;
};

class Router : public CpuMultiPrimitive {
 public:
  Router(Device device, RouterOptions options) : CpuMultiPrimitive(std::move(device)), options_(options) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    for (mx::array& output : outputs) allocate(output);
    dispatch(stream(), outputs,
             [options = options_, logits = inputs[0].data<float>(), bias = inputs[1].data<float>(),
              tokens = inputs[0].shape(0), experts = inputs[0].shape(1), indices = outputs[0].data<std::uint32_t>(),
              scores = outputs[1].data<float>()] {
               cpu::parallel_for(static_cast<std::size_t>(tokens), [&](std::size_t t) {
                 const auto k = static_cast<std::size_t>(options.top_k);
                 TokenRouter(logits + t * static_cast<std::size_t>(experts), bias, experts, options)
                     .pick(indices + t * k, scores + t * k);
               });
             });
  }

  const char* name() const override { return "GlimtRouter"; }

 private:
  RouterOptions options_;
};

}  // namespace

Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options) {
  const mx::Shape shape{logits.shape(0), options.top_k};
  const std::vector<mx::array> outputs =
      mx::array::make_arrays({shape, shape}, {mx::uint32, mx::float32}, std::make_shared<Router>(device, options),
                             {contiguous_f32(logits), contiguous_f32(bias.value)});
  return {outputs[0], outputs[1]};
}

}  // namespace glimt::kernels::on_cpu
