#include "kernels/paged_rows.h"

#include "kernels/cpu/attention_kernel.h"

namespace glimt::kernels {

static_assert(kBlockRows == cpu::kKeyBlock, "a block of the cache is a block of keys");

int row_count(const Step& step) {
  int rows = 0;
  for (const StepSequence& sequence : step) rows += sequence.length;
  return rows;
}

}  // namespace glimt::kernels
