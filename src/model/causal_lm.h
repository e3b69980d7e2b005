// The one interface of a language model. One thread builds graphs and evaluates them.
#pragma once

#include "cache/latent_cache.h"
#include "model/config.h"

#include <mlx/mlx.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace glimt {

using Caches = std::vector<LatentCache>;

// Sees named intermediate arrays of a forward pass, e.g. "layers.3.self_attn", "layers.3.gate.inds". For comparison
// with reference numbers; an empty function costs nothing.
using Observer = std::function<void(const std::string& name, const mx::array& value)>;

class CausalLm {
 public:
  virtual ~CausalLm() = default;

  virtual const Config& config() const = 0;
  virtual int max_context_length() const = 0;

  // One empty cache a layer.
  virtual Caches make_caches() const = 0;

  // ids [B, L] (int32, < vocab_size) at positions caches[0].length()… -> hidden states after the final norm
  // [B, L, hidden]; appends L rows to every cache.
  virtual mx::array forward(const mx::array& ids, Caches& caches, const Observer& observe = {}) const = 0;

  // hidden [B, L, hidden] -> logits [B, L, vocab_size], float32.
  virtual mx::array unembed(const mx::array& hidden) const = 0;

  // Multi-token prediction (DeepSeek-V3, https://arxiv.org/abs/2412.19437, section 2.2), if the checkpoint has it.
  virtual bool has_mtp() const = 0;
  virtual LatentCache make_mtp_cache() const = 0;

  // hidden [B, L, hidden] of positions i.. (trunk's or the MTP layer's own) and the tokens [B, L] at i + 1 ->
  // the MTP layer's hidden states, whose mtp_unembed predicts the tokens at i + 2. REQUIRES has_mtp().
  virtual mx::array mtp_forward(const mx::array& hidden, const mx::array& next_ids, LatentCache& cache) const = 0;
  virtual mx::array mtp_unembed(const mx::array& hidden) const = 0;
};

}  // namespace glimt
