#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

#include <algorithm>

namespace glimt::kernels {
namespace {

// From this many picks on, sorting the rows by expert pays: each expert's weights are then read once.
constexpr int kSortFrom = 64;

Weight stack_of(const std::vector<Weight>& weights) {
  if (weights.size() == 1 && weights[0].count > 0) return weights[0];
  std::vector<mx::array> values, scales, biases, global_scales;
  for (const Weight& w : weights) {
    values.push_back(w.values);
    if (w.scales) scales.push_back(*w.scales);
    if (w.biases) biases.push_back(*w.biases);
    if (w.global_scale) global_scales.push_back(mx::reshape(*w.global_scale, {-1}));
  }
  Weight stack = weights[0];
  stack.count = static_cast<int>(weights.size());
  stack.values = mx::stack(values);
  if (!scales.empty()) stack.scales = mx::stack(scales);
  if (!biases.empty()) stack.biases = mx::stack(biases);
  if (!global_scales.empty()) stack.global_scale = mx::concatenate(global_scales);
  return stack;
}

// x [n, 1, columns] times the matrix that indices [n] (or [n, k]) picks for each row.
mx::array gather_matmul(const mx::array& x, const Weight& w, const mx::array& indices, bool sorted) {
  if (w.quantization && !w.global_scale) {
    const Quantization& q = *w.quantization;
    return mx::gather_qmm(x, w.values, *w.scales, w.biases, std::nullopt, indices, true, q.group_size, q.bits,
                          q.mode_name(), std::nullopt, sorted);
  }
  mx::array values = w.quantization ? dequantize(w, x.dtype()) : w.values;
  if (values.dtype() != x.dtype()) values = mx::astype(values, x.dtype());  // MLX's CPU gather_mm has float32 only
  return mx::gather_mm(x, mx::swapaxes(values, -1, -2), std::nullopt, indices, sorted);
}

mx::array experts_plain(const mx::array& x, const mx::array& indices, const mx::array& scores, const ExpertWeights& w) {
  const int tokens = indices.shape(0), k = indices.shape(1);
  const bool sort = tokens * k >= kSortFrom;
  mx::array rows = mx::expand_dims(x, {-2, -3});  // [T, 1, 1, hidden]
  mx::array picks = indices;
  mx::array order = mx::array(0);
  if (sort) {
    picks = mx::flatten(indices);
    order = mx::argsort(picks);
    rows = mx::expand_dims(mx::take(x, mx::floor_divide(order, mx::array(k, order.dtype())), 0), -2);  // [T * k, 1, hidden]
    picks = mx::take(picks, order);
  }
  const mx::array gate = gather_matmul(rows, stack_of(w.gate), picks, sort);
  const mx::array up = gather_matmul(rows, stack_of(w.up), picks, sort);
  mx::array y = gather_matmul(silu_multiply(gate, up), stack_of(w.down), picks, sort);
  if (sort) y = mx::take(y, mx::argsort(order), 0);
  y = mx::reshape(y, {tokens, k, -1});
  return mx::astype(mx::sum(mx::multiply(y, mx::expand_dims(scores, -1)), 1), x.dtype());
}

// The picks sorted by expert: order[i] is a pick (token * k + j), and those of expert e are at first[e]..first[e + 1].
struct Routing {
  std::vector<std::size_t> order;
  std::vector<std::size_t> first;
};

Routing sort_by_expert(const std::uint32_t* indices, std::size_t picks, std::size_t experts) {
  const auto expert_of = [&](std::size_t pick) { return std::min<std::size_t>(indices[pick], experts - 1); };
  Routing routing{std::vector<std::size_t>(picks), std::vector<std::size_t>(experts + 1)};
  for (std::size_t pick = 0; pick < picks; ++pick) ++routing.first[expert_of(pick) + 1];
  for (std::size_t e = 0; e < experts; ++e) routing.first[e + 1] += routing.first[e];
  std::vector<std::size_t> next = routing.first;
  for (std::size_t pick = 0; pick < picks; ++pick) routing.order[next[expert_of(pick)]++] = pick;
  return routing;
}

class Experts : public CpuPrimitive {
 public:
  Experts(mx::Shape shape, std::shared_ptr<const ExpertWeights> w) : CpuPrimitive(std::move(shape)), w_(std::move(w)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    out.set_data(mx::allocator::malloc(out.nbytes()));
    auto& encoder = mx::cpu::get_command_encoder(stream());
    for (const mx::array& input : inputs) encoder.set_input_array(input);
    encoder.set_output_array(out);
    encoder.dispatch([w = w_, x = inputs[0].data<float>(), indices = inputs[1].data<std::uint32_t>(),
                      scores = inputs[2].data<float>(), y = out.data<float>(), tokens = inputs[1].shape(0),
                      k = inputs[1].shape(1)] { run(*w, x, indices, scores, tokens, k, y); });
  }

  const char* name() const override { return "GlimtExperts"; }

 private:
  static void run(const ExpertWeights& w, const float* x, const std::uint32_t* indices, const float* scores, int tokens, int k,
                  float* y) {
    const std::vector<cpu::MatrixView> gate = views(w.gate), up = views(w.up), down = views(w.down);
    const auto hidden = static_cast<std::size_t>(down[0].rows), intermediate = static_cast<std::size_t>(gate[0].rows);
    const auto top_k = static_cast<std::size_t>(k), picks = static_cast<std::size_t>(tokens) * top_k;
    const Routing routing = sort_by_expert(indices, picks, gate.size());

    // Rows in the order of the experts, so that an expert's rows lie together.
    std::vector<float> gates(picks * intermediate), ups(picks * intermediate), outs(picks * hidden);
    std::vector<const float*> inputs(picks), inner(picks);
    for (std::size_t i = 0; i < picks; ++i) {
      inputs[i] = x + routing.order[i] / top_k * hidden;
      inner[i] = gates.data() + i * intermediate;
    }
    cpu::Activations tokens_in(std::move(inputs), static_cast<int>(hidden)), hidden_in(std::move(inner), static_cast<int>(intermediate));
    std::vector<cpu::Product> first, second;
    for (std::size_t e = 0; e < gate.size(); ++e) {
      const std::size_t from = routing.first[e], to = routing.first[e + 1];
      if (from == to) continue;
      const auto product = [&](const cpu::MatrixView& matrix, cpu::Activations& activations, std::vector<float>& out) {
        cpu::Product p{matrix, &activations, from, {}};
        for (std::size_t i = from; i < to; ++i) p.y.push_back(out.data() + i * static_cast<std::size_t>(matrix.rows));
        return p;
      };
      first.push_back(product(gate[e], tokens_in, gates));
      first.push_back(product(up[e], tokens_in, ups));
      second.push_back(product(down[e], hidden_in, outs));
    }
    cpu::multiply(first);
    cpu::parallel_for(picks, [&](std::size_t i) {
      cpu::table().silu_multiply(gates.data() + i * intermediate, ups.data() + i * intermediate, intermediate);
    });
    cpu::multiply(second);

    std::vector<std::size_t> place(picks);  // of a pick among the sorted rows
    for (std::size_t i = 0; i < picks; ++i) place[routing.order[i]] = i;
    cpu::parallel_for(static_cast<std::size_t>(tokens), [&](std::size_t t) {
      float* row = y + t * hidden;
      std::fill(row, row + hidden, 0.0f);
      for (std::size_t pick = t * top_k; pick < (t + 1) * top_k; ++pick) {
        const float* out = outs.data() + place[pick] * hidden;
        for (std::size_t i = 0; i < hidden; ++i) row[i] += scores[pick] * out[i];
      }
    });
  }

  std::shared_ptr<const ExpertWeights> w_;
};

}  // namespace

mx::array experts(const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const std::shared_ptr<const ExpertWeights>& w) {
  if (backend() == Backend::mlx) return experts_plain(x, indices, scores, *w);
  return make_node<Experts>(x.shape(),
                            {contiguous_f32(x), mx::contiguous(mx::astype(indices, mx::uint32)), contiguous_f32(scores)}, w);
}

mx::array silu_multiply(const mx::array& gate, const mx::array& up) {
  return mx::multiply(mx::multiply(gate, mx::sigmoid(gate)), up);
}

}  // namespace glimt::kernels
