#include "model/causal_lm.h"

namespace glimt {

int CausalLm::prefill_rows() const { return device().prefill_rows(); }

ModelSigns CausalLm::signs() const {
  return {[queue = device().shared_queue()] { return queue->progress(); }, [] { return std::nullopt; }};
}

}  // namespace glimt
