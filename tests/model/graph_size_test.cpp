// How many MLX primitives a decode step of the plain definitions builds. On a GPU nearly each is a kernel and host time
// in which the GPU waits: a step there takes as long as it has primitives.
#include "kernels/plain_ops.h"
#include "model/checkpoint.h"

#include <mlx/primitives.h>

#include <set>

namespace glimt {
namespace {

// Primitives that compute nothing: another view of the same buffer.
const std::set<std::string> kViews{"AsStrided", "Broadcast",        "BroadcastAxes", "ExpandDims",
                                   "Flatten",   "NumberOfElements", "Reshape",       "Slice",
                                   "Split",     "Squeeze",          "Transpose",     "Unflatten"};

struct GraphSize {
  int kernels = 0;
  int views = 0;
  int scalars = 0;  // arrays of up to 8 bytes that are no result: the host made them

  friend GraphSize operator-(const GraphSize& a, const GraphSize& b) {
    return {a.kernels - b.kernels, a.views - b.views, a.scalars - b.scalars};
  }
};

GraphSize size_of(const mx::array& result) {
  GraphSize size;
  std::set<std::uintptr_t> seen;
  const std::function<void(const mx::array&)> visit = [&](const mx::array& array) {
    if (!seen.insert(array.id()).second) return;
    if (!array.has_primitive()) {
      size.scalars += array.nbytes() <= 8 ? 1 : 0;
      return;
    }
    for (const mx::array& sibling : array.siblings()) seen.insert(sibling.id());
    ++(kViews.contains(array.primitive().name()) ? size.views : size.kernels);
    for (const mx::array& input : array.inputs()) visit(input);
  };
  visit(result);
  return size;
}

// What the CPU makes of a norm and of a rotation, for which a GPU has a kernel each.
GraphSize size_of_norm() {
  const mx::array x = mx::zeros({1, 64}, mx::bfloat16), weight = mx::zeros({64}, mx::bfloat16);
  mx::eval(x, weight);
  return size_of(mx::fast::rms_norm(x, weight, 1e-5f));
}

GraphSize size_of_rotation() {
  const mx::array x = mx::zeros({1, 4, 1, 64}, mx::bfloat16), positions = mx::arange(0, 4);
  mx::eval(x, positions);
  const kernels::Rotary rotary{std::vector<float>(32, 1.0f)};
  return size_of(kernels::rotate(x, rotary, kernels::periods(rotary), mx::slice(positions, {0}, {1})));
}

// A decode step of each of `sequences`, behind 20 tokens.
GraphSize decode_size(const CausalLm& model, int sequences) {
  const auto ids = [&](int n) {
    return kernels::uploaded(std::vector<int>(static_cast<std::size_t>(n * sequences), 3));
  };
  UniformCache cache(model.cache_shape(), sequences, 21);
  mx::eval(model.forward(ids(20), cache.pool(), cache.extend(20)));
  return size_of(model.unembed(model.forward(ids(1), cache.pool(), cache.extend(1))));
}

// What one mixture-of-experts layer adds, with bfloat16 activations.
GraphSize layer_size(const std::string& golden_case, int sequences) {
  const LoadOptions options{.ops = &kernels::plain_ops(), .activations = mx::bfloat16};
  Checkpoint checkpoint = Checkpoint::read(golden_case);
  const GraphSize more = decode_size(*checkpoint.load(options).model, sequences);
  const int last = static_cast<int>(checkpoint.config.at("num_hidden_layers").to_number<int>()) - 1;
  checkpoint.config["num_hidden_layers"] = last;
  std::erase_if(checkpoint.tensors, [&](const auto& entry) {
    return entry.first.starts_with("model.layers." + std::to_string(last) + ".");
  });
  return more - decode_size(*checkpoint.load(options).model, sequences);
}

GraphSize on_a_gpu(GraphSize layer) {
  for (int i = 0; i < 4; ++i) layer = layer - size_of_norm();
  for (int i = 0; i < 2; ++i) layer = layer - size_of_rotation();
  layer.kernels += 4 + 2;
  return layer;
}

// Before scales were cast, gate and up joined and kv_b_proj made dense when a model is loaded, 131 kernels on the CPU were
// some 66 on a GPU, with 89 views and three scalars.
TEST(GraphSize, OfALayerStaysSmall) {
  for (const char* name : {"base_affine4_g64", "base_affine8_g64"}) {
    SCOPED_TRACE(name);
    const GraphSize one = on_a_gpu(layer_size(name, 1));
    EXPECT_LE(one.kernels, 43);
    EXPECT_LE(one.views, 22);
    EXPECT_EQ(one.scalars, 0);
  }
}

// All but the attention itself is done for all sequences at once.
TEST(GraphSize, GrowsLittleWithTheSequences) {
  const GraphSize one = layer_size("base_affine4_g64", 1), three = layer_size("base_affine4_g64", 3);
  EXPECT_LE(three.kernels - one.kernels, 2 * 4 + 3);
}

}  // namespace
}  // namespace glimt
