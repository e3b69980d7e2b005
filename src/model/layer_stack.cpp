#include "model/layer_stack.h"

namespace glimt {

std::string layer_path(int index) { return "model.layers." + std::to_string(index); }

LayerStack::LayerStack(const Config& config, Weights& weights, int first, int count, const LayerShare& share)
    : first_(first) {
  for (int i = first; i < first + count; ++i) {
    layers_.emplace_back(config, weights, layer_path(i), config.is_moe_layer[static_cast<std::size_t>(i)], share);
    if (!share.is_whole()) weights.drop(layer_path(i) + ".");  // most of a part is a copy by now
  }
}

Residual LayerStack::forward(Residual x, LatentPool& pool, const kernels::StepPtr& step,
                             const Observer& observe) const {
  for (int i = 0; i < count(); ++i) {
    Observer observe_layer;
    if (observe) {
      observe_layer = [&](const std::string& name, const mx::array& value) {
        observe("layers." + std::to_string(first_ + i) + "." + name, value);
      };
    }
    x = layers_[static_cast<std::size_t>(i)].forward(x, pool.layer(i), step, observe_layer);
  }
  return x;
}

}  // namespace glimt
