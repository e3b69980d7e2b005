// The bytes are a config.json. It is refused with an Error, or what it says is possible.
#include "checkpoint/config.h"

#include "base/error.h"
#include "base/json.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

void check(const glimt::Config& c) {
  for (const int size :
       {c.hidden_size, c.num_hidden_layers, c.vocab_size, c.max_position_embeddings, c.num_attention_heads,
        c.kv_lora_rank, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim, c.intermediate_size,
        c.moe_intermediate_size, c.n_routed_experts, c.num_experts_per_tok, c.n_group, c.topk_group}) {
    require(size >= 1);
  }
  require(!c.q_lora_rank || *c.q_lora_rank >= 1);
  require(c.is_moe_layer.size() == static_cast<std::size_t>(c.num_hidden_layers));
  require(c.n_routed_experts % c.n_group == 0 && c.topk_group <= c.n_group);
  require(c.num_experts_per_tok <= c.n_routed_experts / c.n_group * c.topk_group);
  require(std::isfinite(c.attention_scale()) && c.attention_scale() > 0);
  for (const auto token : c.eos_token_id) require(token >= 0 && token < c.vocab_size);
  require(!c.quantization.fallback || is_valid(*c.quantization.fallback));
  for (const auto& [path, q] : c.quantization.overrides) require(!q || is_valid(*q));
  const auto frequencies = glimt::rotary_frequencies(c.qk_rope_head_dim, c.rope_theta, c.rope_scaling);
  require(frequencies.size() * 2 == static_cast<std::size_t>(c.qk_rope_head_dim));
  for (const float frequency : frequencies) require(std::isfinite(frequency));
  require(!c.rope_scaling || std::isfinite(static_cast<float>(glimt::yarn_magnitude(*c.rope_scaling))));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const glimt::json::value value = glimt::parse_json({reinterpret_cast<const char*>(data), size}, "config");
    if (value.is_object()) check(glimt::Config::from_json(value.get_object(), "config"));
  } catch (const glimt::Error&) {
  }
  return 0;
}
