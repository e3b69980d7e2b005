// A forward pass against stored reference numbers (tests/golden): what `glimt compare` and the golden tests do.
#pragma once

#include "base/ranks.h"
#include "model/causal_lm.h"

#include <filesystem>
#include <string>
#include <vector>

namespace glimt {

struct Comparison {
  std::string name;  // of the stored tensor
  double worst = 0;  // largest absolute difference; for indices and tokens the number of positions that differ
  double allowed = 0;
  bool exact = false;  // indices and tokens: every value must be equal

  bool ok() const { return worst <= allowed; }
};

struct CompareOptions {
  int chunk = 0;  // tokens a forward call; 0: all at once
  double tolerance = 2e-4;
  RankOptions ranks = {};
};

// Compares every tensor of `golden` that the model has: layers.N.self_attn, layers.N.output, layers.N.gate.inds and
// .scores, hidden, logits, greedy, mtp.hidden, mtp.logits. Throws bad_file for a file without input_ids or with a
// tensor of an unknown name or wrong shape.
std::vector<Comparison> compare(const CausalLm& model, const std::filesystem::path& golden,
                                const CompareOptions& options);

// True if all are within their bounds.
bool all_ok(const std::vector<Comparison>& results);

struct CheckpointComparison {
  std::vector<Comparison> results;
  bool rounded_frequencies = false;  // the reference was made with rotary frequencies rounded to bfloat16
};

// Loads the model of `folder` and compares. If a bfloat16 checkpoint differs, once more with rounded rotary
// frequencies: numbers that transformers computed after model.to(torch.bfloat16) have that rounding in them. (Not where
// several ranks compute the model: they meet once.) `exact`:
// float32 cache rows, no rounding of activations. Throws what load_model and compare throw.
CheckpointComparison compare_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& golden,
                                        const CompareOptions& options, bool exact);

}  // namespace glimt
