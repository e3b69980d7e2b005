#include "model/observed_layer.h"

#include <algorithm>
#include <cstdint>
#include <memory>

namespace glimt {
namespace {

// A part of a stack [count, ..] as a part of one of its matrices, sharing its memory.
mx::array part_of(const mx::array& stack, int index) {
  mx::Shape start(stack.ndim(), 0), stop = stack.shape(), shape(stack.shape().begin() + 1, stack.shape().end());
  start[0] = index;
  stop[0] = index + 1;
  const mx::array part = mx::reshape(mx::slice(stack, start, stop), shape);
  mx::eval(part);
  return part;
}

std::optional<mx::array> part_of(const std::optional<mx::array>& stack, int index) {
  return stack ? std::optional(part_of(*stack, index)) : std::nullopt;
}

// Of one stack, or of single matrices.
Weight matrix_of(const std::vector<Weight>& weights, int index) {
  if (weights.front().count == 0) return weights[static_cast<std::size_t>(index)];
  const Weight& stack = weights.front();
  Weight w = stack;
  w.count = 0;
  w.values = part_of(stack.values, index);
  w.scales = part_of(stack.scales, index);
  w.biases = part_of(stack.biases, index);
  if (stack.global_scale && stack.global_scale->size() > 1) {
    const auto n = static_cast<int>(stack.global_scale->size()) / stack.count;
    w.global_scale = mx::slice(*stack.global_scale, {index * n}, {(index + 1) * n});
    mx::eval(*w.global_scale);
  }
  return w;
}

// For MLX's operations, which part_of() uses.
std::vector<Weight> take_parts(const Config& c, Weights& weights, const std::string& mlp, const char* projection,
                               int rows, int columns) {
  std::vector<Weight> parts = take_experts(weights, mlp, projection, c.n_routed_experts, rows, columns);
  if (parts.front().count > 0) parts.front() = aligned(parts.front());
  return parts;
}

std::optional<kernels::SwiGluWeights> take_dense(const Config& c, Weights& weights, const std::string& path,
                                                 bool is_moe) {
  if (!is_moe) return take_swiglu(weights, path, c.hidden_size, c.intermediate_size);
  if (c.n_shared_experts == 0) return std::nullopt;
  return take_swiglu(weights, path + ".shared_experts", c.hidden_size, c.moe_intermediate_size * c.n_shared_experts);
}

}  // namespace

ObservedLayer::ObservedLayer(const Config& c, Weights& weights, const std::string& path, bool is_moe)
    : device_(weights.device()),
      input_layernorm_(device_, weights.take_vector(path + ".input_layernorm.weight", c.hidden_size), c.rms_norm_eps),
      self_attn_(c, weights, path + ".self_attn"),
      post_attention_layernorm_(device_, weights.take_vector(path + ".post_attention_layernorm.weight", c.hidden_size),
                                c.rms_norm_eps),
      dense_(take_dense(c, weights, path + ".mlp", is_moe)) {
  if (!is_moe) return;
  const std::string mlp = path + ".mlp";
  const int inner = c.moe_intermediate_size;
  experts_.emplace(Experts{MoeGate(c, weights, mlp + ".gate"),
                           take_parts(c, weights, mlp, "gate_proj", inner, c.hidden_size),
                           take_parts(c, weights, mlp, "up_proj", inner, c.hidden_size),
                           take_parts(c, weights, mlp, "down_proj", c.hidden_size, inner)});
}

mx::array ObservedLayer::forward(const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                                 const InputObserver& see) const {
  const mx::array attention = self_attn_.forward(input_layernorm_(x), rows, step, see);
  const kernels::SumAndNorm mid = post_attention_layernorm_.of_sum(x, attention);
  kernels::evaluate({mid.sum, mid.norm});
  mx::array y = mid.sum;
  if (experts_) y = mx::add(y, mixture(mid.norm, see));
  if (dense_) y = mx::add(y, swiglu(mid.norm, *dense_, experts_ ? "mlp.shared_experts" : "mlp", 0, see));
  kernels::evaluate({y});
  return y;
}

mx::array ObservedLayer::mixture(const mx::array& x, const InputObserver& see) const {
  const kernels::Routing found = experts_->router.forward(x);
  const kernels::Routing choice{mx::contiguous(found.indices), mx::contiguous(found.scores)};
  kernels::evaluate({choice.indices, choice.scores});
  std::vector<float> sums(x.size());
  const int count = std::max(static_cast<int>(experts_->gate.size()), experts_->gate.front().count);
  for (int expert = 0; expert < count; ++expert) add_expert(expert, x, choice, sums, see);
  return mx::astype(mx::array(sums.data(), x.shape(), mx::float32), x.dtype());
}

// Adds what an expert says about its tokens, times their scores.
void ObservedLayer::add_expert(int expert, const mx::array& x, const kernels::Routing& choice, std::vector<float>& sums,
                               const InputObserver& see) const {
  const auto* const picks = choice.indices.data<std::uint32_t>();
  const auto* const all_scores = choice.scores.data<float>();
  const auto per_token = static_cast<std::size_t>(choice.indices.shape(1));
  std::vector<std::int32_t> tokens;
  std::vector<float> scores;
  for (std::size_t i = 0; i < choice.indices.size(); ++i) {
    if (picks[i] != static_cast<std::uint32_t>(expert)) continue;
    tokens.push_back(static_cast<std::int32_t>(i / per_token));
    scores.push_back(all_scores[i]);
  }
  if (tokens.empty()) return;
  const mx::array rows = mx::take(x, mx::array(tokens.data(), {static_cast<int>(tokens.size())}, mx::int32), 0);
  const kernels::SwiGluWeights w{matrix_of(experts_->gate, expert), matrix_of(experts_->up, expert),
                                 matrix_of(experts_->down, expert)};
  const mx::array y = mx::astype(swiglu(rows, w, "mlp.switch_mlp", expert, see), mx::float32);
  kernels::evaluate({y});
  const auto width = static_cast<std::size_t>(x.shape(1));
  const auto* values = y.data<float>();
  for (std::size_t i = 0; i < tokens.size(); ++i, values += width) {
    float* const sum = &sums[static_cast<std::size_t>(tokens[i]) * width];
    for (std::size_t c = 0; c < width; ++c) sum[c] += scores[i] * values[c];
  }
}

mx::array ObservedLayer::swiglu(const mx::array& x, const kernels::SwiGluWeights& w, const std::string& path, int index,
                                const InputObserver& see) const {
  const auto product = [&](const mx::array& rows, const Weight& weight) {
    return kernels::linear(device_, rows, std::make_shared<const Weight>(weight));
  };
  const mx::array gate = product(x, w.gate);
  const mx::array inner = mx::multiply(mx::multiply(gate, mx::sigmoid(gate)), product(x, w.up));
  kernels::evaluate({inner});
  see(path + ".gate_proj", index, x);
  see(path + ".up_proj", index, x);
  see(path + ".down_proj", index, inner);
  return product(inner, w.down);
}

}  // namespace glimt
