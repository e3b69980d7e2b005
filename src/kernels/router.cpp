#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"
#include "kernels/plain_state.h"

#include <limits>

namespace glimt::kernels {

Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options) {
  return device.ops().route(device, logits, bias, options);
}

namespace plain {
namespace {

mx::array exclude_weak_groups(const mx::array& choice, const RouterOptions& options) {
  const int tokens = choice.shape(0), experts = choice.shape(1), size = experts / options.groups;
  const mx::array groups = mx::reshape(choice, {tokens, options.groups, size});
  const mx::array best_two = mx::slice(mx::sort(groups, -1), {0, 0, size - 2}, {tokens, options.groups, size});
  const mx::array worth = mx::sum(best_two, -1);                                 // [T, G]
  const mx::array rank = mx::argsort(mx::argsort(mx::negative(worth), -1), -1);  // 0 for the best group
  const mx::array weak = mx::expand_dims(mx::greater_equal(rank, mx::array(options.kept_groups, rank.dtype())), -1);
  const mx::array kept = mx::where(weak, mx::array(-std::numeric_limits<float>::infinity()), groups);
  return mx::reshape(kept, {tokens, experts});
}

}  // namespace

Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options) {
  State& state = device.plain_state();
  const mx::array scores = mx::sigmoid(logits);
  // Sorting puts the smallest first, and equal ones in the order that they have: of the negated choice.
  const mx::array negated = options.groups > 1 ? mx::negative(exclude_weak_groups(mx::add(scores, bias.value), options))
                                               : mx::subtract(bias.negative, scores);
  const mx::array indices = mx::slice(mx::argsort(negated, -1), {0, 0}, {logits.shape(0), options.top_k});
  mx::array picked = mx::take_along_axis(scores, indices, -1);
  if (options.normalize && options.top_k > 1) {
    picked = mx::divide(picked, mx::add(mx::sum(picked, -1, true), state.scalar(1e-20f)));
  }
  return {indices, options.scale == 1.0f ? picked : mx::multiply(picked, state.scalar(options.scale))};
}

}  // namespace plain
}  // namespace glimt::kernels
