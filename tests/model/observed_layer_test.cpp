// What a layer shows of its matrices' inputs is what they are multiplied with.
#include "model/observed_layer.h"

#include "checkpoint.h"
#include "measure/window_pass.h"
#include "model/layouts.h"

#include <fmt/format.h>

namespace glimt {
namespace {

mx::array as_float(const mx::array& values) { return mx::astype(values, mx::float32); }

mx::array random_states(int rows, int hidden) {
  return mx::random::normal({rows, hidden}, mx::float32, 0, 1, mx::random::key(3));
}

// [heads, v, latent] of a layer of a released checkpoint.
mx::array unembed_out(const Checkpoint& checkpoint, const Config& c, const std::string& attention) {
  const mx::array& joined = checkpoint.tensors.at(attention + ".kv_b_proj.weight");
  const int nope = c.qk_nope_head_dim, v = c.v_head_dim;
  const mx::array by_head = mx::reshape(as_float(joined), {c.num_attention_heads, nope + v, c.kv_lora_rank});
  return mx::slice(by_head, {0, nope, 0}, {c.num_attention_heads, nope + v, c.kv_lora_rank});
}

struct Seen {
  std::map<int, mx::array> mixtures;  // a head
  std::optional<mx::array> values;    // [N, heads · v]
};

Seen inputs_of_attention(const ObservedLayer& layer, const Config& c, const kernels::Device& device, int windows,
                         int length) {
  Seen seen;
  const InputObserver see = [&](std::string_view matrix, int index, const mx::array& rows) {
    if (matrix == "self_attn.unembed_out") seen.mixtures.emplace(index, as_float(rows));
    if (matrix == "self_attn.o_proj") seen.values = as_float(rows);
  };
  const PoolShape shape{1, c.cache_width(), device.rows(), &device.ops()};
  pass_windows(random_states(windows * length, c.hidden_size), windows, shape, windows * length,
               [&](const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step) {
                 return layer.forward(x, rows, step, see);
               });
  return seen;
}

TEST(ObservedLayer, ShowsTheMixturesThatTheHeadsUnembed) {
  for (const char* name : {"base", "no_q_lora"}) {
    const Checkpoint checkpoint = Checkpoint::read(name);
    const TemporaryFolder folder;
    checkpoint.write(folder.path());
    const Config c = Config::from_folder(folder.path());
    const kernels::Device device = device_for({.exact = true});
    Weights weights(folder.path(), c.quantization, device);
    const std::string path = "model.layers.1";
    const ObservedLayer layer(c, weights, path, c.is_moe_layer[1]);
    const Seen seen = inputs_of_attention(layer, c, device, 2, 9);
    const mx::array matrices = unembed_out(checkpoint, c, path + ".self_attn");
    ASSERT_EQ(seen.mixtures.size(), static_cast<std::size_t>(c.num_attention_heads)) << name;
    for (const auto& [head, mixture] : seen.mixtures) {
      const mx::array matrix =
          mx::squeeze(mx::slice(matrices, {head, 0, 0}, {head + 1, c.v_head_dim, c.kv_lora_rank}), 0);
      const mx::array wanted = mx::slice(*seen.values, {0, head * c.v_head_dim}, {18, (head + 1) * c.v_head_dim});
      const mx::array difference = mx::subtract(mx::matmul(mixture, mx::transpose(matrix)), wanted);
      const auto largest = mx::max(mx::abs(difference)).item<float>(), size = mx::max(mx::abs(wanted)).item<float>();
      EXPECT_LT(largest, 1e-4f * size) << name << ", head " << head;
    }
  }
}

}  // namespace
}  // namespace glimt
