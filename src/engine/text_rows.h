// The hidden states of a step that belong to texts to embed.
#pragma once

#include "engine/step_batch.h"

#include <mlx/mlx.h>

#include <optional>
#include <span>
#include <vector>

namespace glimt {

class TextRows {
 public:
  // hidden [rows, width], of which those of the steps that embed are picked; to be evaluated with the rest.
  TextRows(const std::vector<SequenceStep>& steps, const mx::array& hidden);

  const std::optional<mx::array>& array() const { return rows_; }  // nothing where no step embeds

  // The step's rows get into its sequence's pool. REQUIRES: array() is evaluated; the step embeds and is not gone.
  void pool(const SequenceStep& step) const;

 private:
  std::optional<mx::array> rows_;  // float32
  std::vector<int> in_batch_;      // which row of the batch each of them is, ascending
};

}  // namespace glimt
