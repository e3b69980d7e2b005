// The one interface of a language model. One thread builds graphs and evaluates them.
#pragma once

#include "cache/latent_pool.h"
#include "checkpoint/config.h"

#include <mlx/mlx.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

namespace mx = mlx::core;

// Sees named intermediate arrays of a forward pass, e.g. "layers.3.self_attn", "layers.3.gate.inds". For comparison
// with reference numbers; an empty function costs nothing.
using Observer = std::function<void(const std::string& name, const mx::array& value)>;

// What any thread may ask about a model, also when it has gone.
struct ModelSigns {
  // A number that changes while a forward pass gets on; nothing where that cannot be seen. Quick.
  std::function<std::optional<std::uint64_t>()> progress;

  // Why it will never compute again: a machine that has a part of it is lost. Nothing while it can.
  std::function<std::optional<std::string>()> broken;
};

// Where the time of the forward passes went in a model that lies on several machines.
struct StageTimes {
  std::vector<double> computing;  // seconds, of each machine
  double total = 0;               // of the passes: computing, messages, and waiting
  std::uint64_t steps = 0;
  std::uint64_t sent_bytes = 0;  // by this machine

  // Where the machines share each layer: sums over them, and seconds that this one was in these.
  std::uint64_t sums = 0;
  double summing = 0;
};

class CausalLm {
 public:
  virtual ~CausalLm() = default;

  virtual const Config& config() const = 0;
  virtual const kernels::Device& device() const = 0;
  virtual int max_context_length() const = 0;

  // Tokens of a forward pass over a prompt that it is fast with.
  virtual int prefill_rows() const;

  virtual ModelSigns signs() const;
  virtual std::optional<StageTimes> stage_times() const { return std::nullopt; }

  // What the cache holds for a position: the trunk's layers, and the MTP layer's rows behind them if there is one.
  virtual PoolShape cache_shape() const = 0;

  // ids [N] (int32, < vocab_size), the rows of the step's sequences one behind the other -> hidden states after the
  // final norm [N, hidden]; stores N rows in every trunk layer of `pool`. Evaluate the result before the next step is
  // built.
  virtual mx::array forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                            const Observer& observe = {}) const = 0;

  // hidden [N, hidden] -> logits [N, vocab_size], float32.
  virtual mx::array unembed(const mx::array& hidden) const = 0;

  // Multi-token prediction (DeepSeek-V3, https://arxiv.org/abs/2412.19437, section 2.2), if the checkpoint has it.
  virtual bool has_mtp() const = 0;

  // hidden [N, hidden] of positions p - 1 (trunk's or the MTP layer's own) and the tokens [N] at p, where p are the
  // step's positions -> the MTP layer's hidden states, whose mtp_unembed predicts the tokens at p + 1. Position 0 has
  // no row: the step's sequences have first_key = 1. REQUIRES has_mtp().
  virtual mx::array mtp_forward(const mx::array& hidden, const mx::array& ids, LatentPool& pool,
                                const kernels::StepPtr& step) const = 0;
  virtual mx::array mtp_unembed(const mx::array& hidden) const = 0;
};

}  // namespace glimt
