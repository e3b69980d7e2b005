#include "model/moe.h"

#include "kernels/ops.h"

namespace glimt {
namespace {

// The first half of the rows of `both`, or the second, sharing its memory.
Weight half(const Weight& both, int index) {
  Weight w = both;
  w.rows = both.rows / 2;
  const auto part = [&](const mx::array& x) {
    mx::Shape start(x.ndim(), 0), stop = x.shape();
    start[x.ndim() - 2] = index * w.rows;
    stop[x.ndim() - 2] = (index + 1) * w.rows;
    const mx::array rows = mx::slice(x, start, stop);
    mx::eval(rows);
    return rows;
  };
  w.values = part(both.values);
  if (both.scales) w.scales = part(*both.scales);
  if (both.biases) w.biases = part(*both.biases);
  return w;
}

// Gate and up as one matrix, where the device reads them as one and they allow it.
std::optional<Weight> join(const Weights& weights, Weight& gate, Weight& up) {
  if (!weights.device().ops().joins_gate_and_up) return std::nullopt;
  std::optional<Weight> both = joined(gate, up);
  if (both) {
    gate = half(*both, 0);
    up = half(*both, 1);
  }
  return both;
}

}  // namespace

// One stack: mlx-lm, Ollama. A tensor an expert: the released checkpoint.
std::vector<Weight> take_experts(Weights& weights, const std::string& path, const std::string& projection, int count,
                                 int rows, int columns) {
  const std::string stack_path = path + ".switch_mlp." + projection;
  if (weights.has(stack_path + ".weight")) return {weights.take_matrix(stack_path, rows, columns, count)};
  std::vector<Weight> single;
  single.reserve(static_cast<std::size_t>(count));
  for (int e = 0; e < count; ++e) {
    single.push_back(weights.take_matrix(fmt::format("{}.experts.{}.{}", path, e, projection), rows, columns));
  }
  if (weights.device().ops().takes_stored_weights) return single;
  const Weight stack = stacked(single);
  for (const std::optional<mx::array>& part :
       {std::optional(stack.values), stack.scales, stack.biases, stack.global_scale}) {
    if (part) mx::eval(*part);
  }
  return {stack};
}

kernels::SwiGluWeights take_swiglu(Weights& weights, const std::string& path, int hidden, int intermediate) {
  kernels::SwiGluWeights w{weights.take_matrix(path + ".gate_proj", intermediate, hidden),
                           weights.take_matrix(path + ".up_proj", intermediate, hidden),
                           weights.take_matrix(path + ".down_proj", hidden, intermediate)};
  w.gate_up = join(weights, w.gate, w.up);
  return w;
}

MoeGate::MoeGate(const Config& c, Weights& weights, const std::string& path)
    : device_(weights.device()),
      weight_(device_, weights.take_shared(path, c.n_routed_experts, c.hidden_size, mx::float32)),
      e_score_correction_bias_(weights.take_vector(path + ".e_score_correction_bias", c.n_routed_experts)),
      options_{c.num_experts_per_tok, c.n_group, c.topk_group, c.norm_topk_prob, c.routed_scaling_factor} {
  mx::eval(e_score_correction_bias_.negative);
}

kernels::Routing MoeGate::forward(const mx::array& x) const {
  return kernels::route(device_, weight_(mx::astype(x, mx::float32)), e_score_correction_bias_, options_);
}

MoeBlock::MoeBlock(const Config& c, Weights& weights, const std::string& path)
    : device_(weights.device()), gate_(c, weights, path + ".gate") {
  auto experts = std::make_shared<kernels::ExpertWeights>();
  experts->gate = take_experts(weights, path, "gate_proj", c.n_routed_experts, c.moe_intermediate_size, c.hidden_size);
  experts->up = take_experts(weights, path, "up_proj", c.n_routed_experts, c.moe_intermediate_size, c.hidden_size);
  experts->down = take_experts(weights, path, "down_proj", c.n_routed_experts, c.hidden_size, c.moe_intermediate_size);
  if (experts->gate.size() == 1 && experts->gate[0].count > 0) {
    experts->gate_up = join(weights, experts->gate[0], experts->up[0]);
  }
  if (c.n_shared_experts > 0) {
    experts->shared =
        take_swiglu(weights, path + ".shared_experts", c.hidden_size, c.moe_intermediate_size * c.n_shared_experts);
  }
  experts_ = std::move(experts);
}

mx::array MoeBlock::forward(const mx::array& x, const Observer& observe) const {
  const kernels::Routing choice = gate_.forward(x);
  if (observe) {
    observe("gate.inds", choice.indices);
    observe("gate.scores", choice.scores);
  }
  return kernels::experts(device_, x, choice.indices, choice.scores, experts_);
}

}  // namespace glimt
