#include "model/moe.h"

#include <limits>

namespace glimt {
namespace {

// The projection of all experts: one stack (mlx-lm, Ollama), or a tensor an expert (released checkpoint).
std::vector<Weight> take_experts(Weights& weights, const std::string& path, const std::string& projection, int count, int rows,
                                 int columns) {
  const std::string stacked = path + ".switch_mlp." + projection;
  if (weights.has(stacked + ".weight")) return {weights.take_matrix(stacked, rows, columns, count)};
  std::vector<Weight> single;
  single.reserve(static_cast<std::size_t>(count));
  for (int e = 0; e < count; ++e) {
    single.push_back(weights.take_matrix(path + ".experts." + std::to_string(e) + "." + projection, rows, columns));
  }
  return single;
}

mx::array largest(const mx::array& values, int count) {  // along the last axis, indices, best first
  const mx::array order = mx::argsort(mx::negative(values), -1);
  mx::Shape start(order.ndim(), 0), stop = order.shape();
  stop.back() = count;
  return mx::slice(order, start, stop);
}

}  // namespace

SwiGluMlp take_mlp(Weights& weights, const std::string& path, int hidden, int intermediate) {
  Linear gate(weights.take_shared(path + ".gate_proj", intermediate, hidden));
  Linear up(weights.take_shared(path + ".up_proj", intermediate, hidden));
  return SwiGluMlp(std::move(gate), std::move(up), Linear(weights.take_shared(path + ".down_proj", hidden, intermediate)));
}

MoeGate::MoeGate(const Config& c, Weights& weights, const std::string& path)
    : weight_(weights.take_shared(path, c.n_routed_experts, c.hidden_size)),
      e_score_correction_bias_(weights.take_vector(path + ".e_score_correction_bias", c.n_routed_experts)),
      experts_(c.n_routed_experts),
      top_k_(c.num_experts_per_tok),
      n_group_(c.n_group),
      topk_group_(c.topk_group),
      norm_topk_prob_(c.norm_topk_prob),
      routed_scaling_factor_(c.routed_scaling_factor) {}

MoeGate::Choice MoeGate::forward(const mx::array& x) const {
  const mx::array scores = mx::sigmoid(weight_(mx::astype(x, mx::float32)));  // [T, E]
  mx::array choice = mx::add(scores, e_score_correction_bias_);
  if (n_group_ > 1) choice = exclude_weak_groups(choice);
  const mx::array indices = largest(choice, top_k_);
  mx::array picked = mx::take_along_axis(scores, indices, -1);  // without the bias
  if (norm_topk_prob_ && top_k_ > 1) {
    picked = mx::divide(picked, mx::add(mx::sum(picked, -1, true), mx::array(1e-20f)));
  }
  return {indices, mx::multiply(picked, mx::array(routed_scaling_factor_))};
}

// A group is worth the sum of its two best choices; only the topk_group best groups stay, the others cannot be picked.
mx::array MoeGate::exclude_weak_groups(const mx::array& choice) const {
  const int tokens = choice.shape(0), size = experts_ / n_group_;
  const mx::array groups = mx::reshape(choice, {tokens, n_group_, size});
  const mx::array best_two = mx::slice(mx::sort(groups, -1), {0, 0, size - 2}, {tokens, n_group_, size});
  const mx::array worth = mx::sum(best_two, -1);                                     // [T, G]
  const mx::array rank = mx::argsort(mx::argsort(mx::negative(worth), -1), -1);      // 0 for the best group
  const mx::array out = mx::expand_dims(mx::greater_equal(rank, mx::array(topk_group_, rank.dtype())), -1);
  const mx::array kept = mx::where(out, mx::array(-std::numeric_limits<float>::infinity()), groups);
  return mx::reshape(kept, {tokens, experts_});
}

MoeBlock::MoeBlock(const Config& c, Weights& weights, const std::string& path) : gate_(c, weights, path + ".gate") {
  auto experts = std::make_shared<kernels::ExpertWeights>();
  experts->gate = take_experts(weights, path, "gate_proj", c.n_routed_experts, c.moe_intermediate_size, c.hidden_size);
  experts->up = take_experts(weights, path, "up_proj", c.n_routed_experts, c.moe_intermediate_size, c.hidden_size);
  experts->down = take_experts(weights, path, "down_proj", c.n_routed_experts, c.hidden_size, c.moe_intermediate_size);
  experts_ = std::move(experts);
  if (c.n_shared_experts > 0) {
    shared_experts_ = take_mlp(weights, path + ".shared_experts", c.hidden_size, c.moe_intermediate_size * c.n_shared_experts);
  }
}

mx::array MoeBlock::forward(const mx::array& x, const Observer& observe) const {
  const int batch = x.shape(0), length = x.shape(1), hidden = x.shape(2);
  const mx::array tokens = mx::reshape(x, {batch * length, hidden});
  const MoeGate::Choice choice = gate_.forward(tokens);
  if (observe) {
    observe("gate.inds", mx::reshape(choice.indices, {batch, length, -1}));
    observe("gate.scores", mx::reshape(choice.scores, {batch, length, -1}));
  }
  mx::array y = kernels::experts(tokens, choice.indices, choice.scores, experts_);
  if (shared_experts_) y = mx::add(y, (*shared_experts_)(tokens));
  return mx::reshape(y, {batch, length, hidden});
}

}  // namespace glimt
