#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"

#include <limits>

namespace glimt::kernels {

Routing route(const Device& device, const mx::array& logits, const mx::array& bias, const RouterOptions& options) {
  return device.ops().route(device, logits, bias, options);
}

namespace plain {
namespace {

mx::array largest(const mx::array& values, int count) {  // indices along the last axis, best first
  const mx::array order = mx::argsort(mx::negative(values), -1);
  mx::Shape start(order.ndim(), 0), stop = order.shape();
  stop.back() = count;
  return mx::slice(order, start, stop);
}

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

Routing route(const Device&, const mx::array& logits, const mx::array& bias, const RouterOptions& options) {
  const mx::array scores = mx::sigmoid(logits);
  mx::array choice = mx::add(scores, bias);
  if (options.groups > 1) choice = exclude_weak_groups(choice, options);
  const mx::array indices = largest(choice, options.top_k);
  mx::array picked = mx::take_along_axis(scores, indices, -1);
  if (options.normalize && options.top_k > 1) {
    picked = mx::divide(picked, mx::add(mx::sum(picked, -1, true), mx::array(1e-20f)));
  }
  return {indices, mx::multiply(picked, mx::array(options.scale))};
}

}  // namespace plain
}  // namespace glimt::kernels
