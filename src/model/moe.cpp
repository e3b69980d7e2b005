#include "model/moe.h"

#include "base/error.h"
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

constexpr const char* kStack = ".switch_mlp.";

MatrixPart rows_of(Stretch part) { return {MatrixPart::Side::rows, part.from, part.to}; }
MatrixPart columns_of(Stretch part) { return {MatrixPart::Side::columns, part.from, part.to}; }

// Columns that are not quantized in groups can be cut anywhere; our kernels are fastest with many together.
Stretch columns_of(const std::string& path, int columns, int group, const LayerShare& share) {
  int unit = group > 1 ? group : 64;
  while (group == 1 && unit > 1 && (columns % unit != 0 || columns / unit < share.ranks)) unit /= 2;
  return share.of(fmt::format("the intermediate values of {}", path), columns, unit);
}

}  // namespace

// One stack: mlx-lm, Ollama. A tensor an expert: the released checkpoint.
std::vector<Weight> take_experts(Weights& weights, const std::string& path, const std::string& projection, int count,
                                 int rows, int columns, const MatrixPart& cut) {
  const std::string stack_path = path + kStack + projection;
  if (weights.has(stack_path + ".weight")) return {weights.take_part(stack_path, rows, columns, count, cut)};
  std::vector<Weight> single;
  single.reserve(static_cast<std::size_t>(count));
  for (int e = 0; e < count; ++e) {
    single.push_back(weights.take_part(fmt::format("{}.experts.{}.{}", path, e, projection), rows, columns, 0, cut));
  }
  if (weights.device().ops().takes_stored_weights) return single;
  const Weight stack = stacked(single);
  for (const std::optional<mx::array>& part :
       {std::optional(stack.values), stack.scales, stack.biases, stack.global_scale}) {
    if (part) mx::eval(*part);
  }
  return {stack};
}

Stretch swiglu_columns(const Weights& weights, const std::string& path, int hidden, int intermediate,
                       const LayerShare& share) {
  if (share.is_whole()) return {0, intermediate};
  return columns_of(path, intermediate, weights.group_size(path + ".down_proj", hidden, intermediate), share);
}

Stretch expert_columns(const Config& c, const Weights& weights, const std::string& path, const LayerShare& share) {
  const int hidden = c.hidden_size, columns = c.moe_intermediate_size;
  if (share.is_whole()) return {0, columns};
  const std::string stack = path + kStack + "down_proj";
  const int group = weights.has(stack + ".weight") ? weights.group_size(stack, hidden, columns, c.n_routed_experts)
                                                   : weights.group_size(path + ".experts.0.down_proj", hidden, columns);
  return columns_of(path + "'s experts", columns, group, share);
}

kernels::SwiGluWeights take_swiglu(Weights& weights, const std::string& path, int hidden, int intermediate,
                                   const LayerShare& share) {
  const Stretch part = swiglu_columns(weights, path, hidden, intermediate, share);
  kernels::SwiGluWeights w{weights.take_part(path + ".gate_proj", intermediate, hidden, 0, rows_of(part)),
                           weights.take_part(path + ".up_proj", intermediate, hidden, 0, rows_of(part)),
                           weights.take_part(path + ".down_proj", hidden, intermediate, 0, columns_of(part))};
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

MoeBlock::MoeBlock(const Config& c, Weights& weights, const std::string& path, const LayerShare& share)
    : device_(weights.device()), gate_(c, weights, path + ".gate") {
  const int count = c.n_routed_experts, hidden = c.hidden_size, columns = c.moe_intermediate_size;
  const Stretch part = expert_columns(c, weights, path, share);
  auto experts = std::make_shared<kernels::ExpertWeights>();
  experts->gate = take_experts(weights, path, "gate_proj", count, columns, hidden, rows_of(part));
  experts->up = take_experts(weights, path, "up_proj", count, columns, hidden, rows_of(part));
  experts->down = take_experts(weights, path, "down_proj", count, hidden, columns, columns_of(part));
  if (experts->gate.size() == 1 && experts->gate[0].count > 0) {
    experts->gate_up = join(weights, experts->gate[0], experts->up[0]);
  }
  if (c.n_shared_experts > 0) {
    experts->shared = take_swiglu(weights, path + ".shared_experts", hidden, columns * c.n_shared_experts, share);
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
