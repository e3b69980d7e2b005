#include "engine/step_batch.h"

#include "kernels/kernels.h"

namespace glimt {

int StepBatch::add(std::span<const TokenId> tokens, int position, const std::vector<int>& blocks, int first_key) {
  const int first = static_cast<int>(ids.size());
  ids.insert(ids.end(), tokens.begin(), tokens.end());
  sequences.push_back({position, static_cast<int>(tokens.size()), blocks, first_key});
  return first;
}

mx::array StepBatch::ids_array() const { return kernels::uploaded(ids); }

mx::array take_rows(const mx::array& x, const std::vector<int>& rows) {
  if (static_cast<int>(rows.size()) == x.shape(0)) return x;
  return mx::take(x, kernels::uploaded(rows), 0);
}

void publish_reads() { kernels::Handover::publish(); }

}  // namespace glimt
