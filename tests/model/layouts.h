// Golden checkpoints in the layouts of other programs.
#pragma once

#include "model/checkpoint.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// mlx-lm and Ollama stack the experts; `name` is "switch_mlp" or "experts".
inline void stack_experts(Checkpoint& checkpoint, const std::string& name) {
  const auto experts = static_cast<int>(checkpoint.config["n_routed_experts"].as_int64());
  for (int layer = 0; layer < 8; ++layer) {
    const std::string mlp = "model.layers." + std::to_string(layer) + ".mlp.";
    if (!checkpoint.tensors.contains(mlp + "experts.0.up_proj.weight")) continue;
    for (const std::string projection : {"gate_proj", "up_proj", "down_proj"}) {
      std::vector<mx::array> all;
      for (int e = 0; e < experts; ++e)
        all.push_back(checkpoint.pull(mlp + "experts." + std::to_string(e) + "." + projection + ".weight"));
      checkpoint.set(mlp + name + "." + projection + ".weight", mx::stack(all));
    }
  }
}

// kv_b_proj's rows are for each head the keys', then the values'; mlx-lm stores the keys' part transposed.
inline void split_kv_b(Checkpoint& checkpoint) {
  const auto size = [&](const char* field) { return static_cast<int>(checkpoint.config[field].as_int64()); };
  const int heads = size("num_attention_heads"), nope = size("qk_nope_head_dim"), v = size("v_head_dim"),
            lora = size("kv_lora_rank");
  for (int layer = 0; layer < 8; ++layer) {
    const std::string attention = "model.layers." + std::to_string(layer) + ".self_attn.";
    if (!checkpoint.tensors.contains(attention + "kv_b_proj.weight")) continue;
    const mx::array joined = mx::reshape(checkpoint.pull(attention + "kv_b_proj.weight"), {heads, nope + v, lora});
    checkpoint.set(attention + "embed_q.weight",
                   mx::contiguous(mx::swapaxes(mx::slice(joined, {0, 0, 0}, {heads, nope, lora}), 1, 2)));
    checkpoint.set(attention + "unembed_out.weight",
                   mx::contiguous(mx::slice(joined, {0, nope, 0}, {heads, nope + v, lora})));
  }
}

inline Checkpoint mlx_lm_layout(const std::string& name = "base") {
  Checkpoint checkpoint = Checkpoint::read(name);
  stack_experts(checkpoint, "switch_mlp");
  split_kv_b(checkpoint);
  return checkpoint;
}

inline Checkpoint ollama_layout() {
  Checkpoint checkpoint = Checkpoint::read("base");
  stack_experts(checkpoint, "experts");
  return checkpoint;
}

// transformers 5 keeps all experts' gate and up rows in one parameter, [E, 2 * I, H].
inline Checkpoint fused_layout(const std::string& name = "base") {
  Checkpoint checkpoint = Checkpoint::read(name);
  stack_experts(checkpoint, "experts");
  for (const auto& [stored, value] : Checkpoint(checkpoint).tensors) {
    if (!stored.ends_with(".mlp.experts.gate_proj.weight")) continue;
    const std::string experts = stored.substr(0, stored.size() - std::string_view("gate_proj.weight").size());
    checkpoint.set(experts + "gate_up_proj", mx::concatenate({checkpoint.pull(experts + "gate_proj.weight"),
                                                              checkpoint.pull(experts + "up_proj.weight")},
                                                             1));
    checkpoint.set(experts + "down_proj", checkpoint.pull(experts + "down_proj.weight"));
  }
  return checkpoint;
}

}  // namespace glimt
