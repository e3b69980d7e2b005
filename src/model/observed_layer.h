// A decoder layer as DecoderLayer computes it, matrix by matrix, so that the input of each can be seen: what tells which
// of a matrix's columns matter when it is quantized.
#pragma once

#include "model/attention.h"
#include "model/moe.h"

#include <optional>
#include <vector>

namespace glimt {

class ObservedLayer {
 public:
  // Throws what DecoderLayer's constructor throws.
  ObservedLayer(const Config& config, Weights& weights, const std::string& path, bool is_moe);

  // x [N, hidden] -> [N, hidden]; stores N rows in the layer's cache. `see` is called for every matrix but the router's,
  // an expert's with the tokens that go to it. What it returns is evaluated.
  mx::array forward(const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                    const InputObserver& see) const;

 private:
  struct Experts {
    MoeGate router;
    std::vector<Weight> gate, up, down;
  };

  mx::array mixture(const mx::array& x, const InputObserver& see) const;
  void add_expert(int expert, const mx::array& x, const kernels::Routing& choice, std::vector<float>& sums,
                  const InputObserver& see) const;
  mx::array swiglu(const mx::array& x, const kernels::SwiGluWeights& w, const std::string& path, int index,
                   const InputObserver& see) const;

  kernels::Device device_;
  RmsNorm input_layernorm_;
  MlaAttention self_attn_;
  RmsNorm post_attention_layernorm_;
  std::optional<Experts> experts_;
  std::optional<kernels::SwiGluWeights> dense_;  // the whole MLP, or the shared experts
};

}  // namespace glimt
